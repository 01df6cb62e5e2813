//! Files of prompts: one a line, or CSV with a header.

use std::path::Path;
use std::str::FromStr;

use serde::Deserialize;

use crate::config::MOST_IMAGES;
use crate::error::{Error, Result};

/// What a file asks for: one image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Line {
    /// What to draw.
    pub prompt: String,
    /// What to keep away from, where the file says it.
    pub negative_prompt: Option<String>,
    /// Seed of the noise, where the file says it.
    pub seed: Option<u64>,
}

/// Columns that a CSV file may have.
const COLUMNS: [&str; 3] = ["prompt", "negative_prompt", "seed"];

/// Reads a file. One whose name ends in `.csv` has a header with `prompt` and, if wanted, `negative_prompt` and `seed`; any other
/// holds a prompt in each line that is not blank.
pub fn read(path: &Path) -> Result<Vec<Line>> {
    let bad = |what: String| Error::Setting(format!("--prompts {}: {what}", path.display()));
    let bytes = std::fs::read(path).map_err(|e| bad(format!("cannot be read: {e}")))?;
    let text = String::from_utf8(bytes).map_err(|_| bad("not UTF-8; save it as UTF-8 text".into()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let csv = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
    let lines = if csv { table(text).map_err(bad)? } else { plain(text) };
    match lines.len() {
        0 => Err(bad("no prompt in it".into())),
        n if n > MOST_IMAGES as usize => Err(bad(format!("{n} prompts, at most {MOST_IMAGES} can be drawn; split it"))),
        _ => Ok(lines),
    }
}

fn plain(text: &str) -> Vec<Line> {
    let prompts = text.lines().map(str::trim).filter(|l| !l.is_empty());
    prompts.map(|prompt| Line { prompt: prompt.into(), ..Line::default() }).collect()
}

/// What is wrong names the line, never what it says.
fn table(text: &str) -> std::result::Result<Vec<Line>, String> {
    let mut reader = reader_of(text);
    let header = reader.headers().map_err(|e| problem(&e))?;
    if let Some(unknown) = header.iter().find(|name| !COLUMNS.contains(name)) {
        return Err(format!("unknown column {unknown:?} in the header; columns are {}", COLUMNS.join(", ")));
    }
    if !header.iter().any(|name| name == COLUMNS[0]) {
        return Err("no column prompt in the header".into());
    }
    let columns = header.len();
    let lines: Vec<Line> =
        reader.deserialize().map(|line| line.map_err(|e| problem(&e))).collect::<std::result::Result<_, _>>()?;
    // The last field takes up all that follows if its quotes are not closed: one more row shows it.
    let more = format!("{text}\n\"\"{}\n", ",".repeat(columns - 1));
    match reader_of(&more).records().count() {
        n if n == lines.len() + 1 => Ok(lines),
        _ => Err("the file ends within a quoted field; close its quotes".into()),
    }
}

fn reader_of(text: &str) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes())
}

fn problem(e: &csv::Error) -> String {
    let at = e.position().map_or(0, csv::Position::line);
    match e.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("line {at} has {len} fields, the header has {expected_len}; quote fields that hold commas")
        }
        // The seed is the only column that is no text.
        csv::ErrorKind::Deserialize { .. } => {
            format!("line {at}: the seed is not a whole number from 0 to {}", u64::MAX)
        }
        _ => format!("line {at} is not CSV"),
    }
}

/// A part of a batch: every `of`-th image from `index` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 0.
    pub index: usize,
    /// How many parts.
    pub of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let form = "expected I/N with I from 0 to N - 1, for example 0/8";
        let (index, of) = text.split_once('/').ok_or(form)?;
        let number = |t: &str| t.parse::<usize>().map_err(|_| form.to_owned());
        let shard = Self { index: number(index)?, of: number(of)? };
        if shard.index < shard.of { Ok(shard) } else { Err(form.into()) }
    }
}

impl Shard {
    /// Whether an image belongs to it.
    pub fn has(self, number: usize) -> bool {
        number % self.of == self.index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, bytes: &[u8]) -> Result<Vec<Line>> {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).expect("temporary file");
        read(&path)
    }

    fn line(prompt: &str, negative_prompt: Option<&str>, seed: Option<u64>) -> Line {
        Line { prompt: prompt.into(), negative_prompt: negative_prompt.map(str::to_owned), seed }
    }

    #[test]
    fn a_prompt_a_line() {
        let lines = parse("x.txt", "\u{feff}a red dress\r\n\n  a \"blue\" bag, two  \n".as_bytes()).expect("prompts");
        assert_eq!(lines, [line("a red dress", None, None), line("a \"blue\" bag, two", None, None)]);
    }

    #[test]
    fn tables() {
        let text =
            "seed,prompt,negative_prompt\n7,a red dress,blue\n,\"a bag, two\",\n18446744073709551615,\"\"\"x\"\"\",y\n";
        let lines = parse("x.CSV", text.as_bytes()).expect("prompts");
        let wanted = [
            line("a red dress", Some("blue"), Some(7)),
            line("a bag, two", None, None),
            line("\"x\"", Some("y"), Some(u64::MAX)),
        ];
        assert_eq!(lines, wanted);
        assert_eq!(parse("x.csv", b"prompt\nsea\n").expect("prompts"), [line("sea", None, None)]);
        assert_eq!(parse("x.csv", b"prompt\n\n\"sea\nshore\"").expect("prompts"), [line("sea\nshore", None, None)]);
        assert_eq!(
            parse("x.csv", b"prompt\n5\" nails\n\"\"\n").expect("prompts"),
            [line("5\" nails", None, None), line("", None, None)]
        );
    }

    #[test]
    fn bad_files_say_what_is_wrong_and_not_what_is_asked() {
        let bad: [(&str, &[u8], &str); 10] = [
            ("x.csv", b"prompt\nmine\n\"secret\nand more\n", "ends within a quoted field"),
            ("x.csv", b"prompt,seed\n\"secret,1\n", "line 2 has 1 fields"),
            ("x.txt", b"\n \n", "no prompt in it"),
            ("x.csv", b"prompt\n", "no prompt in it"),
            ("x.txt", b"\xff\xfe", "not UTF-8"),
            ("x.csv", b"prompt,colour\nsecret,1\n", "unknown column \"colour\""),
            ("x.csv", b"seed\n1\n", "no column prompt"),
            ("x.csv", b"prompt,seed\nmine,1\nsecret,one\n", "line 3: the seed is not a whole number"),
            ("x.csv", b"prompt,seed\nsecret,-1\n", "line 2: the seed"),
            ("x.csv", b"prompt,seed\na secret, with a comma,1\n", "line 2 has 3 fields"),
        ];
        for (name, bytes, says) in bad {
            let text = parse(name, bytes).expect_err(says).one_line();
            assert!(text.contains(says) && text.contains("--prompts") && !text.contains("secret"), "{text:?}");
        }
        assert!(read(Path::new("nowhere.txt")).expect_err("missing").one_line().contains("nowhere.txt"));
    }

    #[test]
    fn shards_are_a_partition() {
        let shards: Vec<Shard> = (0..3).map(|i| format!("{i}/3").parse().expect("a shard")).collect();
        for number in 0..20 {
            assert_eq!(shards.iter().filter(|s| s.has(number)).count(), 1);
        }
        for bad in ["", "1", "3/3", "1/0", "-1/3", "a/3", "0/3/1"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad:?} was accepted");
        }
    }
}
