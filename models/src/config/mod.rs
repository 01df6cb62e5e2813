//! Configurations as diffusers writes them.
//!
//! Reading is strict: a field may be absent (then it has the default that diffusers gives it), but a value that is not
//! supported, a value of the wrong type and a field that is not known are errors that name file, field and value. A
//! model is never run with a setting silently ignored.

mod clip;
mod clip_text;
mod fixed_point;
mod scheduler;
mod unet2d;
mod unet2d_condition;
mod vae;

pub use clip::{ClipConfig, ClipVisionConfig};
pub use clip_text::ClipTextConfig;
pub use fixed_point::FixedPoint;
pub use scheduler::{BetaSchedule, Consistency, SchedulerConfig, Spacing};
pub use unet2d::{Downsample, Mid, UNet2dConfig};
pub use unet2d_condition::UNet2dConditionConfig;
pub use vae::VaeConfig;

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::ModelError;

/// The text of a file, or an error that names it.
pub(crate) fn text(path: &Path) -> Result<String, ModelError> {
    let file = path.display().to_string();
    std::fs::read_to_string(path).map_err(|source| ModelError::Read { file, source })
}

/// The fields of one JSON object; taking a field removes it, so that unknown ones are found at the end.
pub(crate) struct Fields {
    file: String,
    map: Map<String, Value>,
}

impl Fields {
    /// Reads a file that holds one JSON object.
    pub(crate) fn read(path: &Path) -> Result<Self, ModelError> {
        Self::parse(&path.display().to_string(), &text(path)?)
    }

    /// Takes one JSON object apart; `file` names it in errors.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, ModelError> {
        let file = file.to_owned();
        match serde_json::from_str(text) {
            Ok(Value::Object(map)) => Ok(Self { file, map }),
            Ok(_) => Err(ModelError::Json { file, what: "not a JSON object".into() }),
            Err(e) => Err(ModelError::Json { file, what: format!("not JSON: {e}") }),
        }
    }

    /// The error that a field's value is wrong.
    pub(crate) fn error(&self, field: &str, what: impl Into<String>) -> ModelError {
        ModelError::Field { file: self.file.clone(), field: field.into(), what: what.into() }
    }

    /// Takes a field that must be there.
    pub(crate) fn required<T: DeserializeOwned>(&mut self, field: &str) -> Result<T, ModelError> {
        self.optional(field)?.ok_or_else(|| self.error(field, "missing"))
    }

    /// Takes a field, or its default if it is absent.
    pub(crate) fn or<T: DeserializeOwned>(&mut self, field: &str, default: T) -> Result<T, ModelError> {
        Ok(self.optional(field)?.unwrap_or(default))
    }

    fn optional<T: DeserializeOwned>(&mut self, field: &str) -> Result<Option<T>, ModelError> {
        let Some(value) = self.map.remove(field) else { return Ok(None) };
        let shown = value.to_string();
        serde_json::from_value(value).map(Some).map_err(|e| self.error(field, format!("{shown}: {e}")))
    }

    /// Takes a whole number within bounds.
    pub(crate) fn number(&mut self, field: &str, default: usize, low: usize, high: usize) -> Result<usize, ModelError> {
        let n = self.or(field, default)?;
        self.bounded(field, n, low, high)
    }

    /// Takes a number for all levels, or a list with one for each.
    pub(crate) fn per_level(
        &mut self,
        field: &str,
        default: usize,
        levels: usize,
        high: usize,
    ) -> Result<Vec<usize>, ModelError> {
        if self.map.get(field).is_some_and(Value::is_null) {
            return Err(self.error(field, "null: a number or a list is needed"));
        }
        Ok(self.per_level_or_null(field, levels, high)?.unwrap_or_else(|| vec![default; levels]))
    }

    /// As [`Fields::per_level`]; nothing if the field is absent or null.
    pub(crate) fn per_level_or_null(
        &mut self,
        field: &str,
        levels: usize,
        high: usize,
    ) -> Result<Option<Vec<usize>>, ModelError> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Levels {
            All(usize),
            Each(Vec<usize>),
        }
        let list = match self.or(field, None)? {
            None => return Ok(None),
            Some(Levels::All(n)) => vec![n; levels],
            Some(Levels::Each(list)) => list,
        };
        if list.len() != levels {
            let what = format!("{} entries, but block_out_channels has {levels}", list.len());
            return Err(self.error(field, what));
        }
        for n in &list {
            self.bounded(field, *n, 1, high)?;
        }
        Ok(Some(list))
    }

    /// Checks a whole number against its bounds.
    pub(crate) fn bounded(&self, field: &str, n: usize, low: usize, high: usize) -> Result<usize, ModelError> {
        if (low..=high).contains(&n) { Ok(n) } else { Err(self.error(field, format!("{n} is not in {low}..={high}"))) }
    }

    /// Takes a field whose value must be the one supported; absent means supported too.
    pub(crate) fn only(&mut self, field: &str, supported: impl Into<Value>) -> Result<(), ModelError> {
        let (value, supported) = (self.map.remove(field), supported.into());
        match value {
            Some(v) if v != supported && v.as_f64().is_none_or(|v| Some(v) != supported.as_f64()) => {
                Err(self.error(field, format!("{v} is not supported, only {supported}")))
            }
            _ => Ok(()),
        }
    }

    /// Takes fields that have no effect on inference.
    pub(crate) fn ignore(&mut self, fields: &[&str]) {
        for field in fields {
            self.map.remove(*field);
        }
    }

    /// Takes a name and looks it up.
    pub(crate) fn choice<T: Copy>(&mut self, field: &str, default: T, known: &[(&str, T)]) -> Result<T, ModelError> {
        match self.optional::<String>(field)? {
            Some(name) => self.choose(field, &name, known),
            None => Ok(default),
        }
    }

    /// Looks up a name.
    pub(crate) fn choose<T: Copy>(&self, field: &str, name: &str, known: &[(&str, T)]) -> Result<T, ModelError> {
        known.iter().find(|(n, _)| *n == name).map(|(_, t)| *t).ok_or_else(|| {
            let known: Vec<&str> = known.iter().map(|(n, _)| *n).collect();
            self.error(field, format!("{name:?} is not supported, only {}", known.join(", ")))
        })
    }

    /// Fails if a field is left; names with a leading underscore are diffusers' own notes.
    pub(crate) fn finish(self) -> Result<(), ModelError> {
        match self.map.iter().find(|(name, _)| !name.starts_with('_')) {
            Some((name, value)) => Err(self.error(name, format!("unknown field, with value {value}"))),
            None => Ok(()),
        }
    }
}
