//! The tokenizer against ids recorded from transformers, and prompts that are too long.

mod common;

use std::fs;
use std::path::Path;

use common::asset;
use masque_models::Tokenizer;
use serde_json::Value;

const ENTRIES: usize = 49408;

fn open(length: usize) -> Tokenizer {
    Tokenizer::open(asset("mini-sd/tokenizer"), length, ENTRIES).unwrap()
}

#[test]
fn all_recorded_strings() {
    let recorded: Value = serde_json::from_slice(&fs::read(asset("fixtures/tokenizer.json")).unwrap()).unwrap();
    let (tokenizer, cases) = (open(77), recorded["cases"].as_array().unwrap());
    assert_eq!(cases.len(), 220);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let want: Vec<u32> = case["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect();
        assert_eq!(tokenizer.ids(text).unwrap(), want, "{text:?}");
        let prompt = tokenizer.encode(text).unwrap();
        assert_eq!(prompt.ids.len(), 77);
        let kept = want.len().min(77) - 1;
        assert_eq!(prompt.ids[..kept], want[..kept], "{text:?}");
        assert!(prompt.ids[kept..].iter().all(|id| *id == 49407), "{text:?}");
        assert_eq!(prompt.dropped.is_some(), want.len() > 77, "{text:?}");
    }
}

#[test]
fn long_prompts_say_what_is_dropped() {
    let tokenizer = open(16);
    let whole = "a photo of a red sneaker on a white table by the sea at sunset, Überraschung";
    let prompt = tokenizer.encode(whole).unwrap();
    assert_eq!((prompt.ids.len(), prompt.ids[0], prompt.ids[15]), (16, 49406, 49407));
    assert_eq!(prompt.ids[1..15], tokenizer.ids(whole).unwrap()[1..15]);
    assert_eq!(prompt.dropped.as_deref(), Some("sunset, Überraschung"));
    let warning = prompt.warning().unwrap();
    assert!(warning.contains("14 tokens") && warning.contains("\"sunset, Überraschung"), "{warning}");

    // Characters of several bytes in front of the cut, cut inside of a word.
    let prompt = tokenizer.encode("日本語のテキスト é ½ one two three four five six seven").unwrap();
    let dropped = prompt.dropped.unwrap();
    assert!("日本語のテキスト é ½ one two three four five six seven".ends_with(&dropped), "{dropped:?}");

    let short = tokenizer.encode("a red dress").unwrap();
    assert_eq!((short.dropped.clone(), short.warning()), (None, None));
    assert_eq!(short.indices()[..2], [49406.0, 320.0]);
    let exact = tokenizer.encode("a a a a a a a a a a a a a a").unwrap();
    assert_eq!(exact.dropped, None);
    assert_eq!(tokenizer.encode("a a a a a a a a a a a a a a b").unwrap().dropped.as_deref(), Some("b"));
    assert_eq!(tokenizer.encode("").unwrap().ids, [vec![49406], vec![49407; 15]].concat());
}

fn copy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["vocab.json", "merges.txt", "special_tokens_map.json", "tokenizer_config.json"] {
        fs::copy(asset("mini-sd/tokenizer").join(file), folder.path().join(file)).unwrap();
    }
    folder
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from));
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn bad_folders_are_named() {
    type Spoil = fn(&Path);
    let cases: [(&[&str], Spoil); 7] = [
        (&["vocab.json: "], |f| fs::remove_file(f.join("vocab.json")).unwrap()),
        (&["merges.txt: "], |f| fs::remove_file(f.join("merges.txt")).unwrap()),
        (&["vocab.json: ", "not a vocabulary"], |f| fs::write(f.join("vocab.json"), "[1]").unwrap()),
        (&["vocab.json: ", "49408 tokens"], |f| replace(&f.join("vocab.json"), ": 49000,", ": 59000,")),
        (&["merges.txt: ", "line 2", "zzzzzz"], |f| replace(&f.join("merges.txt"), "i n\n", "zzzzzz n\n")),
        (&["special_tokens_map.json: ", "not JSON"], |f| fs::write(f.join("special_tokens_map.json"), "{").unwrap()),
        (&["vocab.json: ", "special token \"<pad>\""], |f| {
            fs::write(f.join("special_tokens_map.json"), r#"{"pad_token": {"content": "<pad>"}}"#).unwrap();
        }),
    ];
    for (parts, spoil) in cases {
        let folder = copy();
        spoil(folder.path());
        let message = Tokenizer::open(folder.path(), 16, ENTRIES).unwrap_err().to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{message:?} lacks one of {parts:?}");
    }
    assert!(Tokenizer::open(copy().path(), 1, ENTRIES).unwrap_err().to_string().contains("no room"));
}

#[test]
fn padding_is_what_the_folder_says() {
    let folder = copy();
    fs::write(folder.path().join("special_tokens_map.json"), r#"{"pad_token": "!"}"#).unwrap();
    let tokenizer = Tokenizer::open(folder.path(), 5, ENTRIES).unwrap();
    assert_eq!(tokenizer.encode("a").unwrap().ids, [49406, 320, 49407, 0, 0]);
    // Nothing but the two files is needed.
    fs::remove_file(folder.path().join("special_tokens_map.json")).unwrap();
    fs::remove_file(folder.path().join("tokenizer_config.json")).unwrap();
    let tokenizer = Tokenizer::open(folder.path(), 5, ENTRIES).unwrap();
    assert_eq!(tokenizer.encode("a").unwrap().ids, [49406, 320, 49407, 49407, 49407]);
}
