//! CLIP's tokenizer: byte pairs over lower-case words, from `vocab.json` and `merges.txt`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde_json::Value;
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::normalizers::{self, NFC, Replace, replace::ReplacePattern, utils::Lowercase};
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::pre_tokenizers::{self, byte_level::ByteLevel};
use tokenizers::{AddedToken, SplitDelimiterBehavior};

use crate::ModelError;
use crate::config::text;

/// Words as CLIP cuts them: special tokens, English endings, letters, single digits, runs of anything else.
const WORD: &str = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";
/// What special tokens are called where no file says otherwise.
const START: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";

/// Turns prompts into token ids of one length.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    length: usize,
    start: u32,
    end: u32,
    pad: u32,
}

/// A prompt as token ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Start, tokens, end, padding: always as many as the text encoder reads.
    pub ids: Vec<u32>,
    /// The end of the prompt that did not fit, as it was written.
    pub dropped: Option<String>,
}

impl Prompt {
    /// What to tell the user if something was dropped.
    pub fn warning(&self) -> Option<String> {
        let dropped = self.dropped.as_ref()?;
        let room = self.ids.len() - 2;
        Some(format!("the prompt has more than {room} tokens, which is all this model reads; ignored: {dropped:?}"))
    }

    /// The ids as plaintext graphs take them.
    pub fn indices(&self) -> Vec<f32> {
        self.ids.iter().map(|id| *id as f32).collect()
    }
}

impl Tokenizer {
    /// Reads `vocab.json` and `merges.txt` of a folder, and the names of special tokens if it says them. Prompts become
    /// `length` ids below `entries`.
    pub fn open(folder: impl AsRef<Path>, length: usize, entries: usize) -> Result<Self, ModelError> {
        let folder = folder.as_ref();
        let (vocab_file, merges_file) = (folder.join("vocab.json"), folder.join("merges.txt"));
        let vocab: BTreeMap<String, u32> = serde_json::from_str(&text(&vocab_file)?)
            .map_err(|e| bad(&vocab_file, format!("not a vocabulary: {e}")))?;
        if let Some((token, id)) = vocab.iter().find(|(_, id)| **id as usize >= entries) {
            let what = format!("{token:?} has id {id}, but the text encoder has {entries} tokens");
            return Err(bad(&vocab_file, what));
        }
        let special = Special::read(folder)?;
        let id = |token: &str| {
            vocab
                .get(token)
                .copied()
                .ok_or_else(|| bad(&vocab_file, format!("no entry for the special token {token:?}")))
        };
        let (start, end, pad) = (id(&special.start)?, id(&special.end)?, id(&special.pad)?);
        let merges = merges(&merges_file, &vocab)?;
        let inner = assemble(vocab.into_iter().collect(), merges, &special).map_err(|e| bad(folder, e.to_string()))?;
        if length < 2 {
            return Err(ModelError::Request(format!("prompts of {length} tokens leave no room for start and end")));
        }
        Ok(Self { inner, length, start, end, pad })
    }

    /// Ids of a prompt, cut or padded.
    pub fn encode(&self, prompt: &str) -> Result<Prompt, ModelError> {
        let encoding = self.inner.encode(prompt, false);
        let encoding = encoding.map_err(|e| ModelError::Request(format!("prompt {prompt:?}: {e}")))?;
        let room = self.length - 2;
        let mut ids = vec![self.start];
        ids.extend(encoding.get_ids().iter().take(room));
        ids.push(self.end);
        ids.resize(self.length, self.pad);
        let dropped =
            encoding.get_offsets().get(room).map(|(from, _)| prompt.get(*from..).unwrap_or(prompt).to_owned());
        Ok(Prompt { ids, dropped })
    }

    /// Where a prompt ends: the position of the first end token.
    pub fn end_of(&self, prompt: &Prompt) -> usize {
        prompt.ids.iter().position(|id| *id == self.end).unwrap_or(prompt.ids.len().saturating_sub(1))
    }

    /// All ids of a text, start and end included, neither cut nor padded.
    pub fn ids(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let encoding = self.inner.encode(text, false);
        let encoding = encoding.map_err(|e| ModelError::Request(format!("text {text:?}: {e}")))?;
        Ok([&[self.start], encoding.get_ids(), &[self.end]].concat())
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer").field("length", &self.length).finish_non_exhaustive()
    }
}

/// Names of the special tokens.
struct Special {
    start: String,
    end: String,
    pad: String,
    unknown: String,
}

impl Special {
    /// From `special_tokens_map.json`, or `tokenizer_config.json`, or CLIP's own.
    fn read(folder: &Path) -> Result<Self, ModelError> {
        let mut maps = Vec::new();
        for name in ["special_tokens_map.json", "tokenizer_config.json"] {
            let file = folder.join(name);
            if file.is_file() {
                let map: Value =
                    serde_json::from_str(&text(&file)?).map_err(|e| bad(&file, format!("not JSON: {e}")))?;
                maps.push(map);
            }
        }
        // A name, or an object that holds it.
        let name = |value: &Value| value.as_str().or_else(|| value.get("content")?.as_str()).map(str::to_owned);
        let find = |field: &str, default: &str| {
            maps.iter().find_map(|map| name(map.get(field)?)).unwrap_or_else(|| default.to_owned())
        };
        let end = find("eos_token", END);
        Ok(Self {
            start: find("bos_token", START),
            pad: find("pad_token", &end),
            unknown: find("unk_token", &end),
            end,
        })
    }
}

fn bad(file: &Path, what: String) -> ModelError {
    ModelError::Json { file: file.display().to_string(), what }
}

/// Pairs in the order in which they are joined: one a line, after a line with a version.
fn merges(file: &Path, vocab: &BTreeMap<String, u32>) -> Result<Merges, ModelError> {
    let mut merges = Vec::new();
    for (i, line) in text(file)?.lines().enumerate() {
        if line.is_empty() || (i == 0 && line.starts_with("#version")) {
            continue;
        }
        let pair =
            line.split_once(' ').filter(|(a, b)| [*a, *b, &format!("{a}{b}")].iter().all(|t| vocab.contains_key(*t)));
        let Some((a, b)) = pair else {
            return Err(bad(file, format!("line {}: {line:?} does not join two entries of the vocabulary", i + 1)));
        };
        merges.push((a.to_owned(), b.to_owned()));
    }
    Ok(merges)
}

fn assemble(vocab: Vocab, merges: Merges, special: &Special) -> tokenizers::Result<tokenizers::Tokenizer> {
    let model = BPE::builder()
        .vocab_and_merges(vocab, merges)
        .unk_token(special.unknown.clone())
        .end_of_word_suffix("</w>".into())
        .build()?;
    let spaces = Replace::new(ReplacePattern::Regex(r"\s+".into()), " ")?;
    let words = Split::new(SplitPattern::Regex(WORD.into()), SplitDelimiterBehavior::Removed, true)?;
    let mut inner = tokenizers::Tokenizer::new(model);
    inner
        .with_normalizer(Some(normalizers::Sequence::new(vec![NFC.into(), spaces.into(), Lowercase.into()])))
        .with_pre_tokenizer(Some(pre_tokenizers::sequence::Sequence::new(vec![
            words.into(),
            ByteLevel::new(false, true, true).into(),
        ])));
    let token = |name: &str| AddedToken::from(name, true).normalized(false);
    inner.add_special_tokens(&[token(&special.start), token(&special.end)]);
    Ok(inner)
}
