//! Who holds an account: number, name and address as text, told from the account's position alone.

use super::draw::{Draw, Purpose};
use std::fmt::Write as _;

const GIVEN: [&str; 32] = [
    "ADA", "ANNA", "BRUNO", "CARLA", "CHLOÉ", "DAVID", "ELENA", "EMIL", "FARAH", "FELIX", "GRACE", "HANA",
    "HUGO", "INÈS", "IVAN", "JAMES", "JUNO", "KENJI", "LEILA", "LUCAS", "MARIA", "MILAN", "NADIA", "NOAH",
    "OLGA", "OSCAR", "PAULA", "RAVI", "SARAH", "THABO", "TOMÁS", "YUKI",
];
const FAMILY: [&str; 48] = [
    "ALMEIDA", "ANDERSON", "BAKER", "BERNARD", "BIANCHI", "CASTILLO", "CHEN", "COHEN", "DLAMINI", "DUBOIS",
    "EVANS", "FISCHER", "FONTAINE", "GARCÍA", "GRANT", "HOFFMANN", "HUGHES", "ITO", "JANSEN", "JOHNSON",
    "KAYA", "KELLER", "KIM", "KOVAC", "LAMBERT", "LEFÈVRE", "LOPEZ", "MARTIN", "MEYER", "MOREAU", "MORENO",
    "MOYO", "MÜLLER", "NAKAMURA", "NKOSI", "OKAFOR", "PATEL", "PEREIRA", "QUISPE", "ROSSI", "ROUX", "SATO",
    "SCHMIDT", "SILVA", "SMITH", "TAYLOR", "WAGNER", "YILMAZ",
];
const TRADE: [&str; 24] = [
    "AERO", "AGRI", "ALPHA", "ATLAS", "BOREAL", "CARGO", "CEDAR", "DELTA", "EURO", "GLOBAL", "HELIO",
    "HYDRO", "INTER", "LUMEN", "MARIS", "METRO", "NORD", "OMNI", "ORION", "PACIFIC", "SOLAR", "TERRA",
    "UNION", "VERDE",
];
const BUSINESS: [&str; 12] = [
    "CHEMICALS",
    "ENERGY",
    "FOODS",
    "FREIGHT",
    "HOLDING",
    "INSURANCE",
    "LOGISTICS",
    "MACHINES",
    "METALS",
    "PHARMA",
    "TEXTILES",
    "TRADING",
];
const ROAD: [&str; 24] = [
    "ACACIA", "BRIDGE", "CASTLE", "CHERRY", "CHURCH", "GARDEN", "HARBOUR", "HILL", "KING", "LAKE", "LINDEN",
    "MARKET", "MEADOW", "MILL", "OAK", "ORCHARD", "PARK", "QUEEN", "RIVER", "SCHOOL", "STATION", "TEMPLE",
    "TOWER", "VALLEY",
];
const WAY: [&str; 6] = ["AVENUE", "LANE", "ROAD", "SQUARE", "STREET", "WAY"];
const PLACE: [&str; 24] = [
    "AR", "BEL", "BRIN", "CAL", "DOR", "EL", "FAR", "GREN", "HAL", "IL", "KAR", "LUN", "MAR", "MON", "NOR",
    "OL", "PER", "QUIN", "ROS", "SAL", "TAL", "UR", "VAL", "WIN",
];
const TOWN: [&str; 16] = [
    "BERG", "BOROUGH", "BRIDGE", "BURY", "CESTER", "DALE", "FIELD", "FORD", "HAVEN", "LIA", "MOND", "PORT",
    "STADT", "TON", "VILLE", "WICK",
];

/// Numbers that can be told apart: the last eight digits of an account number are a bijection of its position.
pub const NUMBERS: u64 = 100_000_000;
/// Coprime to [`NUMBERS`], so that neighbours do not have neighbouring numbers.
const STRIDE: u64 = 61_803_399;

/// Text of an account, in buffers that are used again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The account's number: letters and digits.
    pub account: String,
    /// Name of the holder.
    pub name: String,
    /// Street and number.
    pub street: String,
    /// `<country>/<zip> <city>`.
    pub city: String,
}

impl Identity {
    /// Fills in the account at position `at` (below [`NUMBERS`]) of all banks together, in `country`.
    pub fn tell(&mut self, seed: u64, at: u64, country: &str) {
        let mut draw = Draw::new(seed, Purpose::Identity, at);
        for text in [
            &mut self.account,
            &mut self.name,
            &mut self.street,
            &mut self.city,
        ] {
            text.clear();
        }
        let number = (at % NUMBERS * STRIDE + seed % NUMBERS) % NUMBERS;
        // Writing to a string does not fail.
        if has_iban(country) {
            let _ = write!(self.account, "{country}{:02}", 2 + draw.below(97));
        }
        let _ = write!(
            self.account,
            "{}{number:08}",
            draw.within(1_000_000_000, 9_000_000_000)
        );
        if draw.chance(450_000) {
            let (trade, business) = (draw.pick(&TRADE), draw.pick(&BUSINESS));
            let _ = write!(self.name, "{trade} {} {business}", draw.pick(&FAMILY));
        } else {
            let given = draw.pick(&GIVEN);
            let letter = char::from(b'A' + draw.below(26) as u8);
            let _ = write!(self.name, "{given} {letter} {}", draw.pick(&FAMILY));
        }
        let (house, road) = (1 + draw.below(220), draw.pick(&ROAD));
        let _ = write!(self.street, "{house} {road} {}", draw.pick(&WAY));
        let (zip, place) = (draw.within(10_000, 90_000), draw.pick(&PLACE));
        let _ = write!(self.city, "{country}/{zip} {place}{}", draw.pick(&TOWN));
    }
}

/// Do accounts of the country start with its letters? (Others have 18 digits.)
fn has_iban(country: &str) -> bool {
    !matches!(
        country,
        "US" | "ZA"
            | "ZW"
            | "JP"
            | "PE"
            | "EC"
            | "CA"
            | "AU"
            | "NZ"
            | "IN"
            | "MX"
            | "SG"
            | "HK"
            | "KR"
            | "TH"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn numbers_are_distinct_and_of_the_published_form() {
        let mut identity = Identity::default();
        let mut seen = HashSet::new();
        for at in 0..20_000 {
            identity.tell(3, at, if at % 2 == 0 { "FR" } else { "US" });
            let digits = identity.account.trim_start_matches("FR");
            assert_eq!(digits.len(), if at % 2 == 0 { 20 } else { 18 });
            assert!(digits.bytes().all(|byte| byte.is_ascii_digit()));
            assert!(seen.insert(identity.account[identity.account.len() - 8..].to_owned()));
        }
    }

    #[test]
    fn the_same_account_is_the_same_text_whatever_the_buffer_held() {
        let (mut a, mut b) = (Identity::default(), Identity::default());
        a.tell(3, 5, "GB");
        b.tell(3, 6, "US");
        b.tell(3, 5, "GB");
        assert_eq!(a, b);
        assert!(a.city.starts_with("GB/"));
        b.tell(4, 5, "GB");
        assert_ne!(a.name.clone() + &a.street, b.name + &b.street);
    }
}
