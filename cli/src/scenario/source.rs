//! Sources that mean the same from every folder: the parties' files lie elsewhere than the scenario.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};
use hedgerow_party::data::SourceSpec;
use std::path::Path;

/// `source` with the relative paths in it made absolute: the whole of it, or in SQL every quoted name in the
/// place of a table.
pub fn absolute(source: &SourceSpec, base: &Path) -> String {
    if !source.is_sql() {
        return base.join(source.text()).display().to_string();
    }
    // Wrong SQL is the data engine's to explain.
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, source.text()).tokenize_with_location() else {
        return source.text().to_owned();
    };
    let characters: Vec<char> = source.text().chars().collect();
    let (mut text, mut copied, mut is_table) = (String::new(), 0, false);
    for TokenWithSpan { token, span } in tokens {
        if let Token::SingleQuotedString(name) = &token
            && is_table
        {
            text.extend(
                characters
                    .get(copied..offset(&characters, span.start))
                    .unwrap_or_default(),
            );
            let path = base.join(name).display().to_string();
            text += &format!("'{}'", path.replace('\'', "''"));
            copied = offset(&characters, span.end);
        }
        if !matches!(token, Token::Whitespace(_)) {
            is_table =
                matches!(&token, Token::Word(word) if matches!(word.keyword, Keyword::FROM | Keyword::JOIN));
        }
    }
    text.extend(characters.get(copied..).unwrap_or_default());
    text
}

/// Characters before a place of the tokenizer, whose lines and columns count characters from 1.
fn offset(characters: &[char], place: Location) -> usize {
    let line = place.line.saturating_sub(1) as usize;
    let before = match line {
        0 => 0,
        line => characters
            .iter()
            .enumerate()
            .filter(|(_, c)| **c == '\n')
            .nth(line - 1)
            .map_or(characters.len(), |(at, _)| at + 1),
    };
    before + place.column.saturating_sub(1) as usize
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
                "SELECT a, 'rows.csv' AS b FROM 'rows.csv' JOIN\n 'x/y\u{e4}.parquet' USING (k) WHERE c = 'it''s'"
            ),
            "SELECT a, 'rows.csv' AS b FROM '/data/rows.csv' JOIN\n '/data/x/y\u{e4}.parquet' USING (k) WHERE c = 'it''s'"
        );
    }

    #[test]
    fn wrong_sql_is_left_for_the_engine() {
        assert_eq!(made("SELECT 'open FROM"), "SELECT 'open FROM");
    }
}
