//! Sources that mean the same from every folder: the parties' files lie elsewhere than the scenario.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use hedgerow_party::data::SourceSpec;
use std::path::Path;

/// `source` with the relative paths in it made absolute: the whole of it, or in SQL every quoted name in the
/// place of a table.
pub fn absolute(source: &SourceSpec, base: &Path) -> String {
    if !source.is_sql() {
        return base.join(source.text()).display().to_string();
    }
    // Wrong SQL is the data engine's to explain.
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, source.text()).tokenize() else {
        return source.text().to_owned();
    };
    let mut is_table = false;
    let mut text = String::new();
    for token in tokens {
        let token = match token {
            Token::SingleQuotedString(name) if is_table => {
                Token::SingleQuotedString(base.join(name).display().to_string())
            }
            other => other,
        };
        if !matches!(token, Token::Whitespace(_)) {
            is_table =
                matches!(&token, Token::Word(word) if matches!(word.keyword, Keyword::FROM | Keyword::JOIN));
        }
        text += &token.to_string();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(text: &str) -> String {
        absolute(
            &SourceSpec::parse(text, Path::new("")).unwrap(),
            Path::new("/data"),
        )
    }

    #[test]
    fn only_relative_paths_change() {
        assert_eq!(made("rows.csv"), "/data/rows.csv");
        assert_eq!(made("/else/rows.csv"), "/else/rows.csv");
        assert_eq!(
            made(
                "SELECT a, 'rows.csv' AS b FROM 'rows.csv' JOIN\n 'x/y.parquet' USING (k) WHERE c = 'it''s'"
            ),
            "SELECT a, 'rows.csv' AS b FROM '/data/rows.csv' JOIN\n '/data/x/y.parquet' USING (k) WHERE c = 'it''s'"
        );
    }

    #[test]
    fn wrong_sql_is_left_for_the_engine() {
        assert_eq!(made("SELECT 'open FROM"), "SELECT 'open FROM");
    }
}
