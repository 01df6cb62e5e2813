//! The model folder, as far as the command line has to know it: where it is, what it is called, what it can be asked for.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// The model that is used where none is named, relative to the repository.
pub const DEFAULT: &str = "assets/mini-sd";

/// Steps a scheduler was trained with, where its file does not say.
const TRAIN_STEPS: u32 = 1000;

/// What a model draws from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Classes 0 to n - 1 can be asked for. One more embedding, the last, stands for "no condition".
    Classes(u32),
    /// Prompts.
    Text,
}

/// A model folder in diffusers' layout whose configuration was read; its weights were not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The folder.
    pub path: PathBuf,
    /// Its name in reports.
    pub name: String,
    /// What it can be asked for.
    pub kind: Kind,
    /// Steps of the training schedule: the most a sampler can take.
    pub train_steps: u32,
}

#[derive(Deserialize)]
struct UnetFile {
    #[serde(rename = "_class_name")]
    class_name: Option<String>,
    num_class_embeds: Option<u32>,
}

#[derive(Deserialize)]
struct SchedulerFile {
    num_train_timesteps: Option<u32>,
}

impl Model {
    /// Reads the configuration in `dir`, or in the default folder.
    pub fn open(dir: Option<&Path>) -> Result<Self> {
        let path = match dir {
            Some(dir) => dir.to_path_buf(),
            None => default_dir()?,
        };
        if !path.is_dir() {
            return Err(Error::model(&path, "no such folder; name one with --model"));
        }
        let file = path.join("unet/config.json");
        let unet: UnetFile = read_json(&file)?;
        let kind = match (unet.class_name.as_deref(), unet.num_class_embeds) {
            (Some("UNet2DConditionModel"), _) => Kind::Text,
            (Some("UNet2DModel"), Some(embeds @ 2..)) => Kind::Classes(embeds - 1),
            (Some("UNet2DModel"), _) => {
                return Err(Error::model(&file, "num_class_embeds must be 2 or more: the model needs classes"));
            }
            (found, _) => {
                let found = found.unwrap_or("nothing");
                let what = format!("_class_name is {found:?}, expected \"UNet2DConditionModel\" or \"UNet2DModel\"");
                return Err(Error::model(&file, what));
            }
        };
        let scheduler: SchedulerFile = read_json(&path.join("scheduler/scheduler_config.json"))?;
        let train_steps = scheduler.num_train_timesteps.unwrap_or(TRAIN_STEPS);
        let full = path.canonicalize().map_err(|e| Error::model(&path, e.to_string()))?;
        let name = full.file_name().map_or_else(|| "model".into(), |n| n.to_string_lossy().into_owned());
        Ok(Self { path, name, kind, train_steps })
    }

    /// Refuses a class that the model does not know.
    pub fn check_class(&self, class: u32) -> Result<()> {
        let last = match self.kind {
            Kind::Classes(n) if class < n => return Ok(()),
            Kind::Classes(n) => n - 1,
            Kind::Text => return Err(self.no_meaning("--class", "it draws what --prompt says")),
        };
        Err(Error::Setting(format!("model {} has no class {class}; choose from 0 to {last} with --classes", self.name)))
    }

    /// The error for a flag that is for models of the other kind.
    pub fn no_meaning(&self, flag: &str, because: &str) -> Error {
        Error::Setting(format!("{flag} has no meaning for model {}: {because}", self.name))
    }

    /// Refuses a number of steps that the schedule does not have.
    pub fn check_steps(&self, steps: u32) -> Result<()> {
        if (1..=self.train_steps).contains(&steps) {
            return Ok(());
        }
        let most = self.train_steps;
        Err(Error::Setting(format!("--steps {steps} is out of range; give a number from 1 to {most}, for example 50")))
    }
}

fn read_json<T: DeserializeOwned>(file: &Path) -> Result<T> {
    let text = fs::read(file).map_err(|e| Error::model(file, format!("cannot be read: {e}")))?;
    serde_json::from_slice(&text).map_err(|e| Error::model(file, format!("not the expected JSON: {e}")))
}

/// A folder of the repository, below the current one or in the workspace that this executable was built in.
pub fn shipped(folder: &str) -> Option<PathBuf> {
    let here = env::current_dir().ok();
    let exe = env::current_exe().ok().and_then(|e| e.canonicalize().ok());
    let above = exe.iter().flat_map(|e| e.ancestors().skip(1));
    let mut roots = here.as_deref().into_iter().chain(above);
    roots.find_map(|root| Some(root.join(folder)).filter(|dir| dir.is_dir()))
}

fn default_dir() -> Result<PathBuf> {
    shipped(DEFAULT).ok_or_else(|| {
        Error::model(Path::new(DEFAULT), "not found here or beside the executable; name a folder with --model")
    })
}

/// Model folders for tests.
#[cfg(test)]
pub(crate) mod fixture {
    use super::*;

    /// Writes a folder with the two configuration files.
    pub(crate) fn write(dir: &Path, unet: &str, scheduler: &str) -> PathBuf {
        let path = dir.join("toy");
        fs::create_dir_all(path.join("unet")).expect("temporary folder");
        fs::create_dir_all(path.join("scheduler")).expect("temporary folder");
        fs::write(path.join("unet/config.json"), unet).expect("temporary file");
        fs::write(path.join("scheduler/scheduler_config.json"), scheduler).expect("temporary file");
        path
    }

    /// A text-to-image model.
    pub(crate) fn text(dir: &Path) -> PathBuf {
        write(dir, r#"{"_class_name": "UNet2DConditionModel"}"#, "{}")
    }

    /// A model with classes 0 and 1 and 1000 training steps.
    pub(crate) fn two_classes(dir: &Path) -> PathBuf {
        write(dir, r#"{"_class_name": "UNet2DModel", "num_class_embeds": 3}"#, r#"{"num_train_timesteps": 1000}"#)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_a_good_folder() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let model = Model::open(Some(&fixture::two_classes(dir.path()))).expect("a good folder");
        assert_eq!((model.name.as_str(), model.kind, model.train_steps), ("toy", Kind::Classes(2), 1000));
        assert!(model.check_class(1).is_ok() && model.check_class(2).is_err());
        assert!(model.check_steps(1).is_ok() && model.check_steps(1000).is_ok());
        assert!(model.check_steps(0).is_err() && model.check_steps(1001).is_err());
    }

    #[test]
    fn a_conditional_network_is_asked_by_prompts() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = fixture::text(dir.path());
        let model = Model::open(Some(&path)).expect("a good folder");
        assert_eq!(model.kind, Kind::Text);
        let text = model.check_class(0).expect_err("it has no classes").one_line();
        assert!(text.contains("--prompt"), "{text}");
    }

    #[test]
    fn bad_folders_say_which_file_is_wrong() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let bad = [
            ("not json", "{}", "unet/config.json"),
            (r#"{"_class_name": "AutoencoderKL", "num_class_embeds": 3}"#, "{}", "AutoencoderKL"),
            (r#"{"_class_name": "UNet2DModel"}"#, "{}", "num_class_embeds"),
            (r#"{"_class_name": "UNet2DModel", "num_class_embeds": -3}"#, "{}", "unet/config.json"),
            (r#"{"_class_name": "UNet2DModel", "num_class_embeds": 3}"#, "[", "scheduler_config.json"),
        ];
        for (unet, scheduler, names) in bad {
            let path = fixture::write(dir.path(), unet, scheduler);
            let text = Model::open(Some(&path)).expect_err(unet).one_line();
            assert!(text.contains(names), "{text:?} does not name {names:?}");
        }
        let missing = Model::open(Some(&dir.path().join("nowhere"))).expect_err("no such folder");
        assert!(missing.one_line().contains("no such folder"));
    }
}
