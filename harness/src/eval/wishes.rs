//! What images are asked to show.

use std::path::Path;

use masque_models::evaluation::Wish;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// A wish, and the judge's class that fulfils it, if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The wish.
    pub wish: Wish,
    /// Class of the judge.
    pub class: Option<usize>,
}

const CLOTHES: [&str; 10] =
    ["t-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];
const DIGITS: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

/// `n` wishes for a model with that many classes, each in turn.
pub fn classes(classes: usize, n: usize) -> Vec<Asked> {
    (0..n).map(|i| i % classes.max(1)).map(|c| Asked { wish: Wish::Class(c), class: Some(c) }).collect()
}

/// `n` prompts for the shipped text-to-image model: its twenty clothes and digits, as its judge numbers them.
pub fn prompts(n: usize) -> Vec<Asked> {
    let article = |noun: &str| if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    let clothes = CLOTHES.iter().map(|c| format!("a photo of {} {c}", article(c)));
    let digits = DIGITS.iter().map(|d| format!("a handwritten digit {d}"));
    let all: Vec<String> = clothes.chain(digits).collect();
    let asked = |i: usize| Asked { wish: Wish::Text(all[i % all.len()].clone()), class: Some(i % all.len()) };
    (0..n).map(asked).collect()
}

/// `n` prompts from a file, one a line, each in turn. A line may begin with the judge's class and a tab.
pub fn from_file(path: &Path, n: usize) -> Result<Vec<Asked>> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::input(path, format!("cannot be read: {e}")))?;
    let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
    if lines.is_empty() {
        return Err(Error::input(path, "holds no prompt; write one a line"));
    }
    let asked = |(i, line): (usize, &&str)| match line.split_once('\t') {
        None => Ok(Asked { wish: Wish::Text(line.trim().into()), class: None }),
        Some((class, prompt)) => {
            let bad = || Error::input(path, format!("line {}: {class:?} before the tab is no class number", i + 1));
            let class = class.trim().parse().map_err(|_| bad())?;
            Ok(Asked { wish: Wish::Text(prompt.trim().into()), class: Some(class) })
        }
    };
    let all = lines.iter().enumerate().map(asked).collect::<Result<Vec<_>>>()?;
    Ok(all.into_iter().cycle().take(n).collect())
}

/// Digests of a list, 16 hexadecimal digits of each wish: a list that goes on begins with the same ones.
pub fn digests(wishes: &[Asked]) -> String {
    wishes.iter().map(|w| hex(&Sha256::digest(format!("{w:?}"))[..8])).collect()
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_wishes_take_turns() {
        let classes = classes(2, 5);
        assert_eq!(classes.iter().map(|a| a.class).collect::<Vec<_>>(), [0, 1, 0, 1, 0].map(Some));
        let prompts = prompts(41);
        assert_eq!(prompts[0], prompts[40]);
        let text = |i: usize| format!("{:?}", prompts[i].wish);
        assert!(text(9).contains("an ankle boot") && text(7).contains("a sneaker") && text(17).contains("seven"));
    }

    #[test]
    fn prompts_from_a_file() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let file = dir.path().join("prompts.txt");
        std::fs::write(&file, "a red bag\n\n3\ta dress\n").expect("temporary file");
        let asked = from_file(&file, 3).expect("two prompts");
        assert_eq!(asked[1], Asked { wish: Wish::Text("a dress".into()), class: Some(3) });
        assert_eq!((asked[0].class, &asked[2]), (None, &asked[0]));
        assert!(
            digests(&asked).starts_with(&digests(&asked[..2])) && !digests(&asked).starts_with(&digests(&asked[1..]))
        );
        for (text, part) in [("", "holds no prompt"), ("x\ta bag\n", "line 1: \"x\"")] {
            std::fs::write(&file, text).expect("temporary file");
            let message = from_file(&file, 3).expect_err("bad").one_line();
            assert!(message.contains(part), "{message}");
        }
    }
}
