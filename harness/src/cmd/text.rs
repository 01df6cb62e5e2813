//! The flags of `harness run` that are for text-to-image models.

use std::path::PathBuf;

use clap::Args;
use masque_models::{Origin, Place, Sampler};

use crate::cli::one_of;
use crate::config::{self, Approx, Mode, Secret};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::prompts::{self, Line, Shard};
use crate::subject::{Prompt, Subject, TextSettings};

/// Values of `--sampler` with their names and what they mean.
const SAMPLERS: [(Sampler, &str, &str); 5] = [
    (Sampler::Ddim, "ddim", "DDIM without noise"),
    (Sampler::Ddpm, "ddpm", "Algorithm 1 of the paper, respaced to the steps taken"),
    (Sampler::DdpmPrinted, "ddpm-printed", "Algorithm 1 as printed; dull and noisy, for comparison"),
    (Sampler::Lcm, "lcm", "Latent consistency models, few steps"),
    (Sampler::Pcm, "pcm", "Phased consistency models, few steps"),
];

/// Values of `--text-encoder` and `--vae`.
const PLACES: [(Place, &str, &str); 2] = [
    (Place::Secure, "secure", "On shares"),
    (Place::Client, "client", "At the client in plaintext, which needs the module's weights there"),
];

/// Images drawn at once.
const AT_ONCE: usize = 4;

/// What is drawn where no prompt is given.
const PROMPTS: [&str; 4] =
    ["a photo of a red sneaker", "a white dress", "a handwritten digit seven", "a photo of a blue bag"];

/// Flags, as typed.
#[derive(Args, Clone, Debug)]
pub struct TextArgs {
    /// What to draw; several prompts are drawn in turn [default: four that suit the shipped model]
    #[arg(long, value_name = "TEXT", help_heading = "Text to image", conflicts_with_all = ["class", "classes"])]
    pub prompt: Vec<String>,
    /// What to keep away from, for all images; needs classifier-free guidance
    #[arg(long, value_name = "TEXT", help_heading = "Text to image")]
    pub negative_prompt: Option<String>,
    /// File of prompts, one a line, or CSV with columns prompt, negative_prompt, seed. Finished images are kept
    #[arg(long, value_name = "FILE", help_heading = "Text to image")]
    #[arg(conflicts_with_all = ["prompt", "count", "class", "classes"])]
    pub prompts: Option<PathBuf>,
    /// Images drawn at once; memory grows with it [default: 4]
    #[arg(long, value_name = "N", help_heading = "Text to image")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=512))]
    pub batch: Option<u32>,
    /// Draw every N-th image of the file only, from the I-th on; counts from 0
    #[arg(long, value_name = "I/N", requires = "prompts", help_heading = "Text to image")]
    pub shard: Option<Shard>,
    /// How predictions become samples [default: ddim]
    #[arg(long, value_parser = one_of(SAMPLERS), help_heading = "Text to image")]
    pub sampler: Option<Sampler>,
    /// Functions of the text encoder [default: precise on shares, exact at the client and in plaintext]
    #[arg(long, value_enum, value_name = "SET", help_heading = "Text to image")]
    pub approx_text: Option<Approx>,
    /// Functions of the decoder [default: precise on shares, exact at the client and in plaintext]
    #[arg(long, value_enum, value_name = "SET", help_heading = "Text to image")]
    pub approx_vae: Option<Approx>,
    /// Where the text encoder runs [default: secure]; at the client, its weights must be public
    #[arg(long, value_parser = one_of(PLACES), value_name = "PLACE", help_heading = "Text to image")]
    pub text_encoder: Option<Place>,
    /// Where the decoder runs [default: secure]; at the client, its weights must be public
    #[arg(long, value_parser = one_of(PLACES), value_name = "PLACE", help_heading = "Text to image")]
    pub vae: Option<Place>,
}

impl TextArgs {
    /// Images drawn at once.
    pub fn at_once(&self) -> usize {
        self.batch.map_or(AT_ONCE, |n| n as usize)
    }

    /// Refuses all of these flags for a model that draws classes.
    pub fn refuse(&self, model: &Model) -> Result<()> {
        let given = [
            ("--prompt", !self.prompt.is_empty()),
            ("--prompts", self.prompts.is_some()),
            ("--negative-prompt", self.negative_prompt.is_some()),
            ("--batch", self.batch.is_some()),
            ("--sampler", self.sampler.is_some()),
            ("--approx-text", self.approx_text.is_some()),
            ("--approx-vae", self.approx_vae.is_some()),
            ("--text-encoder", self.text_encoder.is_some()),
            ("--vae", self.vae.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(model.no_meaning(flag, "it draws the classes that --classes lists")),
            None => Ok(()),
        }
    }

    /// What these flags ask a text-to-image model for, and the numbers of the images if they are a batch.
    pub fn resolve(
        self,
        count: Option<u32>,
        seed: u64,
        mode: Mode,
        guided: bool,
    ) -> Result<(Subject, Option<Vec<usize>>)> {
        let text = self.settings(mode)?;
        if self.negative_prompt.is_some() && !guided {
            return Err(Error::Setting(
                "--negative-prompt has no meaning with --guidance-scale 1; leave one of the two out".into(),
            ));
        }
        let lines = match &self.prompts {
            Some(file) => prompts::read(file)?,
            None => self.lines(count)?,
        };
        if !guided && lines.iter().any(|line| line.negative_prompt.is_some()) {
            return Err(Error::Setting(
                "negative prompts have no meaning with --guidance-scale 1; leave one of the two out".into(),
            ));
        }
        let shard = self.shard.unwrap_or(Shard { index: 0, of: 1 });
        let negative = self.negative_prompt.unwrap_or_default();
        let (mut asked, mut origins, mut numbers) = (vec![], vec![], vec![]);
        for (number, line) in lines.into_iter().enumerate().filter(|(number, _)| shard.has(*number)) {
            asked
                .push(Prompt { text: line.prompt, negative: line.negative_prompt.unwrap_or_else(|| negative.clone()) });
            let by_number = Origin { seed, image: number as u64 };
            origins.push(line.seed.map_or(by_number, |seed| Origin { seed, image: 0 }));
            numbers.push(number);
        }
        let subject = Subject::Prompts { prompts: Secret(asked), origins, text };
        Ok((subject, self.prompts.map(|_| numbers)))
    }

    /// The prompts of the command line, repeated to the count.
    fn lines(&self, count: Option<u32>) -> Result<Vec<Line>> {
        let asked = match self.prompt.is_empty() {
            true => PROMPTS.map(str::to_owned).to_vec(),
            false => self.prompt.clone(),
        };
        let listed = u32::try_from(asked.len()).unwrap_or(u32::MAX);
        let count = config::check_count(count.unwrap_or(listed))?;
        let lines = asked.into_iter().cycle().map(|prompt| Line { prompt, negative_prompt: None, seed: None });
        Ok(lines.take(count as usize).collect())
    }

    fn settings(&self, mode: Mode) -> Result<TextSettings> {
        let place = |flag: &str, place: Option<Place>| match (mode, place) {
            (Mode::Plain, Some(_)) => Err(Error::Setting(format!(
                "{flag} has no meaning with --mode plain, where one adapter runs all; leave one of the two out"
            ))),
            (_, place) => Ok(place.unwrap_or_default()),
        };
        let approx = |flag: &str, approx: Option<Approx>, place: Place| match (mode, place, approx) {
            (Mode::Secure, Place::Secure, Some(Approx::Exact)) => Err(Error::Setting(format!(
                "{flag} exact exists in plaintext only; use {flag} precise, or let the client run the module"
            ))),
            (Mode::Secure, Place::Secure, None) => Ok(Approx::Precise),
            (_, _, None) => Ok(Approx::Exact),
            (_, _, Some(approx)) => Ok(approx),
        };
        let (text_encoder, vae) = (place("--text-encoder", self.text_encoder)?, place("--vae", self.vae)?);
        Ok(TextSettings {
            sampler: self.sampler.unwrap_or_default(),
            text_encoder,
            vae,
            approx_text: approx("--approx-text", self.approx_text, text_encoder)?,
            approx_vae: approx("--approx-vae", self.approx_vae, vae)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RunConfig;
    use crate::synthetic;

    fn resolve(flags: &[&str]) -> Result<RunConfig> {
        let dir = tempfile::tempdir().expect("temporary folder");
        synthetic::resolve_text(dir.path(), flags)
    }

    fn subject(flags: &[&str]) -> (Vec<Prompt>, Vec<Origin>, TextSettings) {
        match resolve(flags).expect("good settings").subject {
            Subject::Prompts { prompts, origins, text } => (prompts.0, origins, text),
            Subject::Classes(_) => panic!("a text-to-image model"),
        }
    }

    #[test]
    fn defaults() {
        let (prompts, origins, text) = subject(&[]);
        assert_eq!(prompts.iter().map(|p| p.text.as_str()).collect::<Vec<_>>(), PROMPTS);
        assert_eq!(origins, (0..4).map(|image| Origin { seed: 1, image }).collect::<Vec<_>>());
        assert_eq!((text.text_encoder, text.vae, text.sampler), (Place::Secure, Place::Secure, Sampler::Ddim));
        assert_eq!((text.approx_text, text.approx_vae), (Approx::Precise, Approx::Precise));
        assert_eq!(resolve(&[]).expect("good settings").guidance.scale, 7.5);
    }

    #[test]
    fn prompts_are_repeated_to_the_count() {
        let texts = |flags: &[&str]| subject(flags).0.into_iter().map(|p| p.text).collect::<Vec<_>>();
        assert_eq!(texts(&["--prompt", "a cat"]), ["a cat"]);
        assert_eq!(texts(&["--prompt", "a cat", "--prompt", "", "--count", "3"]), ["a cat", "", "a cat"]);
        let (prompts, ..) = subject(&["--prompt", "a cat", "--negative-prompt", "a dog", "--count", "2"]);
        assert!(prompts.iter().all(|p| p.negative == "a dog"));
    }

    #[test]
    fn files_of_prompts_and_their_shards() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let file = dir.path().join("x.csv");
        std::fs::write(&file, "prompt,seed,negative_prompt\na,,\nb,9,\nc,,d\ne,,\n").expect("temporary file");
        let file = file.to_str().expect("a plain path");
        let config = resolve(&["--prompts", file, "--batch", "3", "--negative-prompt", "x"]).expect("good settings");
        assert_eq!((config.batch, config.at_once), (Some(vec![0, 1, 2, 3]), 3));
        let config = resolve(&["--prompts", file, "--shard", "1/2", "--seed", "5"]).expect("good settings");
        assert_eq!((config.batch, config.at_once), (Some(vec![1, 3]), 4));
        let (prompts, origins, _) = subject(&["--prompts", file, "--negative-prompt", "x", "--seed", "5"]);
        let said: Vec<_> = prompts.iter().map(|p| (p.text.as_str(), p.negative.as_str())).collect();
        assert_eq!(said, [("a", "x"), ("b", "x"), ("c", "d"), ("e", "x")]);
        assert_eq!(origins.iter().map(|o| (o.seed, o.image)).collect::<Vec<_>>(), [(5, 0), (9, 0), (5, 2), (5, 3)]);
        let text = resolve(&["--prompts", file, "--guidance-scale", "1"]).expect_err("negative prompts").one_line();
        assert!(text.contains("--guidance-scale 1"), "{text}");
    }

    #[test]
    fn every_sampler_can_be_named() {
        assert_eq!(SAMPLERS.map(|(sampler, ..)| sampler), Sampler::ALL);
        for (sampler, name, _) in SAMPLERS {
            assert_eq!((subject(&["--sampler", name]).2.sampler, sampler.name()), (sampler, name));
        }
    }

    #[test]
    fn a_client_runs_the_functions_themselves() {
        let (.., text) = subject(&["--text-encoder", "client", "--vae", "client"]);
        assert_eq!((text.approx_text, text.approx_vae), (Approx::Exact, Approx::Exact));
        let (.., text) = subject(&["--vae", "client", "--approx-vae", "loose", "--approx-text", "loose"]);
        assert_eq!((text.approx_text, text.approx_vae), (Approx::Loose, Approx::Loose));
        let (.., text) = subject(&["--mode", "plain", "--approx", "exact"]);
        assert_eq!((text.approx_text, text.approx_vae), (Approx::Exact, Approx::Exact));
    }

    #[test]
    fn bad_settings_say_what_to_do() {
        let refused = |flags: &[&str], names: &str| {
            let text = resolve(flags).expect_err("bad settings").one_line();
            assert!(text.contains(names), "{flags:?}: {text:?} does not name {names:?}");
        };
        refused(&["--class", "1"], "--class has no meaning for model toy: it draws what --prompt says");
        refused(&["--classes", "0,1"], "--classes has no meaning");
        refused(&["--approx-text", "exact"], "--approx-text precise");
        refused(&["--approx-vae", "exact", "--text-encoder", "client"], "--approx-vae precise");
        refused(&["--mode", "plain", "--vae", "client"], "--vae has no meaning with --mode plain");
        refused(&["--guidance-scale", "1", "--negative-prompt", "x"], "--negative-prompt has no meaning");
        refused(&["--count", "0"], "1 to 10000");
        let dir = tempfile::tempdir().expect("temporary folder");
        for flag in ["--prompt", "--negative-prompt"] {
            let text = synthetic::resolve(dir.path(), &[flag, "x"]).expect_err("a model of classes").one_line();
            assert!(text.contains(flag) && text.contains("--classes"), "{text}");
        }
    }

    #[test]
    fn no_prompt_shows_in_debug_form() {
        let config = resolve(&["--prompt", "my diary", "--negative-prompt", "my taxes"]).expect("good settings");
        let text = format!("{config:?} {:?}", Prompt { text: "my diary".into(), negative: String::new() });
        assert!(text.contains("[secret]") && !text.contains("diary") && !text.contains("taxes"), "{text}");
    }
}
