-- What the payment network learns from, made from its own table `rows` alone: once from the training file, once from
-- the test file. One result row per transaction message. Bounds of all columns are public, in scenario.toml.

-- A payment (one UETR) passes one to three banks, a message each. The ordering account is with the sender of the first
-- message, the beneficiary account with the receiver of the last. Texts that begin with the time sort by it, and the
-- time is 19 characters long: so the smallest one ends with the first sender, the largest with the last receiver.
WITH payments AS (
  SELECT UETR,
         substr(min(concat("Timestamp", Sender)), 20)   AS OrderingBank,
         substr(max(concat("Timestamp", Receiver)), 20) AS BeneficiaryBank
  FROM rows
  GROUP BY UETR
),

-- Settlement dates are numbers like 220131; those of some banks lie thirteen years (3 leap days) in the past, which is
-- folded away: both kinds then settle on the day of the message, at midnight.
messages AS (
  SELECT *,
         to_unixtime("Timestamp") AS Sent,
         to_unixtime(to_date(right(concat('00000', CAST(SettlementDate AS VARCHAR)), 6), '%y%m%d'))
           + CASE WHEN SettlementDate < 150000 THEN (13 * 365 + 3) * 86400 ELSE 0 END AS Settled
  FROM rows
)

SELECT
  -- seconds from the message to its settlement: minus the time of day, if it settles on the same day
  messages.Settled - messages.Sent AS InterimTime,
  CASE WHEN floor(messages.Settled / 86400.0) = floor(messages.Sent / 86400.0) THEN 'yes' ELSE 'no' END AS SameDay,
  CASE WHEN messages.SettlementCurrency = messages.InstructedCurrency THEN 'yes' ELSE 'no' END AS SameCurrency,
  -- amounts range over eleven orders of magnitude
  ln(messages.InstructedAmount) AS InstructedAmount,
  date_part('hour', CAST(messages."Timestamp" AS TIMESTAMP)) AS Hour,

  -- whom to ask about which account: the links of scenario.toml
  payments.OrderingBank,
  messages.OrderingAccount,
  messages.OrderingName,
  messages.OrderingStreet,
  messages.OrderingCountryCityZip,
  payments.BeneficiaryBank,
  messages.BeneficiaryAccount,
  messages.BeneficiaryName,
  messages.BeneficiaryStreet,
  messages.BeneficiaryCountryCityZip,

  -- what private scores are written beside
  messages.MessageId,
  messages.Label
-- The engine holds the left side of a join in memory: the narrow one.
FROM payments
JOIN messages ON messages.UETR = payments.UETR
