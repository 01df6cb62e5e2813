//! Makes the images of all rows, batch by batch, and keeps what is finished.

use std::collections::HashMap;
use std::time::Instant;

use clap::Parser;
use masque_engine::functions::Functions;
use masque_models::evaluation::{Chain, Subject, Wish};
use masque_models::sampling::SamplingError;
use masque_models::{Origin, Sampler};

use super::judge::Judge;
use super::rows::{Method, Row};
use super::store::{Batch, Fixed, Place, Store};
use super::wishes::{Asked, hex};
use super::{Config, SESSION, origin};
use crate::cli::{Cli, Command};
use crate::config::Mode;
use crate::engine::{Audience, Drawn, Engine, EngineError, Progress};
use crate::error::{Error, Result};
use crate::progress::Reporter;

/// The folders of all rows, and of the chains without a condition.
pub struct Stores {
    /// One for each row.
    pub rows: Vec<Store>,
    /// By sampler and steps.
    pub chains: HashMap<(Sampler, usize), Store>,
}

/// A row that is the chain without a condition has no settings of its own.
fn chain_name(sampler: Sampler, steps: usize) -> String {
    format!("unconditional-{sampler}-{steps}")
}

impl Stores {
    /// Opens or makes the folders.
    pub fn open(config: &Config, subject: &Subject) -> Result<Self> {
        let fixed = |row: Option<&Row>| Fixed {
            row: row.cloned(),
            model: hex(&subject.digest()),
            seed: config.seed,
            batch: config.batch,
        };
        let mut stores = Self { rows: Vec::new(), chains: HashMap::new() };
        for (row, _) in &config.rows {
            stores.rows.push(Store::open(&config.kept, &row.folder(), &fixed(Some(row)))?);
            let key = (row.sampler, row.steps);
            if matches!(row.method, Method::Guidance { .. })
                && row.mode == Mode::Plain
                && !stores.chains.contains_key(&key)
            {
                stores.chains.insert(key, Store::open(&config.kept, &chain_name(key.0, key.1), &fixed(None))?);
            }
        }
        Ok(stores)
    }
}

impl Audience for Batch {
    fn drawn(&mut self, images: Drawn) -> std::result::Result<(), EngineError> {
        self.images.extend(images.values);
        Ok(())
    }
}

/// What generating needs beside the settings.
pub struct Generator<'a> {
    config: &'a Config,
    subject: &'a Subject,
    judge: Option<&'a mut Judge>,
    reporter: Reporter,
    engine: Engine,
    done: u64,
    total: u64,
}

impl<'a> Generator<'a> {
    /// Ready to start.
    pub fn new(config: &'a Config, subject: &'a Subject, judge: Option<&'a mut Judge>) -> Self {
        Self {
            config,
            subject,
            judge,
            reporter: Reporter::new(config.quiet),
            engine: Engine::default(),
            done: 0,
            total: 0,
        }
    }

    /// Makes what is missing.
    pub fn run(mut self, stores: &Stores) -> Result<()> {
        let batches = self.config.batches(self.subject.extents().iter().product());
        // Evaluations of the network for all images that are missing, so that the time left is about right.
        let mut missing: Vec<Vec<usize>> = Vec::new();
        for (place, wishes) in &batches {
            let mut rows = Vec::new();
            for (r, store) in stores.rows.iter().enumerate() {
                if !store.has(place)? {
                    rows.push(r);
                }
            }
            let work = |r: &usize| self.config.rows[*r].0.steps * self.config.rows[*r].0.evaluations();
            self.total += (rows.iter().map(work).sum::<usize>() * wishes.len()) as u64;
            for (key, store) in &stores.chains {
                if self.needs_chain(&rows, *key) || !store.has(place)? {
                    self.total += (key.1 * wishes.len()) as u64;
                }
            }
            missing.push(rows);
        }
        if self.total > 0 {
            self.reporter.event(&Progress::Phase("evaluating"));
        }
        for ((place, wishes), rows) in batches.into_iter().zip(missing) {
            self.batch(stores, &place, wishes, &rows)?;
        }
        self.reporter.finish();
        Ok(())
    }

    fn needs_chain(&self, rows: &[usize], key: (Sampler, usize)) -> bool {
        rows.iter().map(|r| &self.config.rows[*r].0).any(|row| {
            (row.sampler, row.steps) == key && row.mode == Mode::Plain && matches!(row.method, Method::Guidance { .. })
        })
    }

    fn advance(&mut self, work: usize) {
        self.done += work as u64;
        self.reporter.event(&Progress::Steps { done: self.done, total: self.total });
    }

    fn batch(&mut self, stores: &Stores, place: &Place, wishes: &[Asked], rows: &[usize]) -> Result<()> {
        let first = place.index * self.config.batch;
        let origins: Vec<Origin> = (first..first + wishes.len()).map(|i| origin(self.config.seed, i)).collect();
        let extents = self.subject.extents();
        let mut chains: HashMap<(Sampler, usize), Chain> = HashMap::new();
        for (key, store) in &stores.chains {
            let there = store.has(place)?;
            if !there || self.needs_chain(rows, *key) {
                let chain = self.subject.chain(&origins, key.0, key.1).map_err(EngineError::from)?;
                if !there {
                    let end = self.subject.images(chain.end.clone(), &Functions::default());
                    let images = end.map_err(EngineError::from)?;
                    store.save(place, extents, &Batch { images, ..Batch::default() })?;
                }
                self.advance(key.1 * wishes.len());
                chains.insert(*key, chain);
            }
        }
        for r in rows {
            let row = &self.config.rows[*r].0;
            tracing::info!(row = row.name(), batch = place.index, images = wishes.len(), "generating");
            let made = match row.mode {
                Mode::Plain => self.plain(row, wishes, &origins, chains.get(&(row.sampler, row.steps)))?,
                Mode::Secure => self.secure(row, first, wishes)?,
            };
            stores.rows[*r].save(place, extents, &made)?;
        }
        Ok(())
    }

    fn plain(&mut self, row: &Row, wishes: &[Asked], origins: &[Origin], chain: Option<&Chain>) -> Result<Batch> {
        let start = Instant::now();
        let (subject, ends) = (self.subject, row.end_functions());
        let asked: Vec<Wish> = wishes.iter().map(|w| w.wish.clone()).collect();
        let conditions = subject.conditions(&asked, &ends).map_err(EngineError::from)?;
        let none = subject.unconditional(&ends).map_err(EngineError::from)?;
        let channels = subject.extents()[2];
        let mut judge = self.judge.take();
        let mut verifier = |samples: &[f32]| -> std::result::Result<Vec<f64>, SamplingError> {
            let images = subject.images(samples.to_vec(), &ends)?;
            let Some(judge) = judge.as_mut() else { return Ok(vec![0.0; wishes.len()]) };
            let found = judge
                .look(&clean(&images), channels)
                .map_err(|e| SamplingError::from(masque_models::ModelError::Request(e.one_line())))?;
            let particles = found.log_probabilities.len() / wishes.len().max(1);
            let reward = |(i, logs): (usize, &Vec<f64>)| {
                wishes[i / particles.max(1)].class.and_then(|c| logs.get(c).copied()).unwrap_or(0.0)
            };
            Ok(found.log_probabilities.iter().enumerate().map(reward).collect())
        };
        let work = row.evaluations() * wishes.len();
        let mut step = || self.advance(work);
        let settings = row.settings();
        let samples = subject.sample(origins, &conditions, &none, &settings, chain, Some(&mut verifier), &mut step);
        let samples = samples.map_err(EngineError::from)?;
        self.judge = judge;
        let images = subject.images(samples, &ends).map_err(EngineError::from)?;
        Ok(Batch { images, seconds: start.elapsed().as_secs_f64(), ..Batch::default() })
    }

    /// On shares, in sessions of [`SESSION`] images as `harness run` makes them.
    fn secure(&mut self, row: &Row, first: usize, wishes: &[Asked]) -> Result<Batch> {
        let mut batch = Batch::default();
        for (s, some) in wishes.chunks(SESSION).enumerate() {
            let config = secure_job(self.config, row, first / SESSION + s, some)?;
            let out = self.engine.generate(&config, &mut batch)?;
            batch.seconds += out.wall_s;
            batch.online_bytes += out.online_bytes.total();
            batch.offline_bytes += out.offline_bytes.total();
            self.advance(row.steps * row.evaluations() * some.len());
        }
        Ok(batch)
    }
}

/// The job on shares that `harness run` would make of these flags.
fn secure_job(config: &Config, row: &Row, session: usize, wishes: &[Asked]) -> Result<crate::config::RunConfig> {
    let (eta, weight) = match &row.method {
        Method::Guidance { eta, weight, cap: None } => (*eta, *weight),
        _ => (0.0, masque_models::GuidanceWeight::Respaced),
    };
    let approx = format!("{:?}", row.approx).to_lowercase();
    let mut flags = vec![
        "harness".to_owned(),
        "run".into(),
        "--quiet".into(),
        "--no-fidelity".into(),
        format!("--model={}", config.model.display()),
        format!("--out={}", config.out.display()),
        format!("--count={}", wishes.len()),
        format!("--steps={}", row.steps),
        format!("--seed={}", config.seed.wrapping_add(session as u64)),
        format!("--approx={approx}"),
        format!("--guidance-scale={}", row.scale),
        format!("--guidance-eta={eta}"),
        format!("--guidance-weight={weight}"),
    ];
    let classes: Vec<String> =
        wishes.iter().filter_map(|w| if let Wish::Class(c) = &w.wish { Some(c.to_string()) } else { None }).collect();
    let prompts: Vec<&str> = wishes.iter().filter_map(|w| w.wish.text()).collect();
    match classes.is_empty() {
        false => flags.push(format!("--classes={}", classes.join(","))),
        true => {
            flags.push(format!("--sampler={}", row.sampler));
            flags.extend(prompts.iter().map(|prompt| format!("--prompt={prompt}")));
            let ends: [String; 2] = match row.exact_ends {
                true => ["--text-encoder=client".into(), "--vae=client".into()],
                false => [format!("--approx-text={approx}"), format!("--approx-vae={approx}")],
            };
            flags.extend(ends);
        }
    }
    let parsed = Cli::try_parse_from(flags).map_err(|e| Error::Setting(format!("no job on shares: {e}")))?;
    match parsed.command {
        Command::Run(args) => args.resolve().map(|c| crate::config::RunConfig { gpu: config.gpu.clone(), ..c }),
        _ => Err(Error::Setting("no job on shares".into())),
    }
}

/// Values as they are shown: within [-1, 1], and grey where they are no numbers.
pub fn clean(images: &[f32]) -> Vec<f32> {
    images.iter().map(|v| if v.is_finite() { v.clamp(-1.0, 1.0) } else { 0.0 }).collect()
}

/// Refuses rows that cannot be made on shares; `text` says that wishes are prompts.
pub fn check_secure(row: &Row, text: bool) -> Result<()> {
    let capped = matches!(row.method, Method::Guidance { cap: Some(_), .. });
    let other = matches!(row.method, Method::Pag { .. } | Method::Fks { .. });
    if row.mode == Mode::Secure && (capped || other || row.stress.is_some() || (!text && row.sampler != Sampler::Ddim))
    {
        let name = row.name();
        let what = match text {
            true => "on shares there are none and uncapped guidance only; add --mode plain",
            false => "on shares there are ddim, none and uncapped guidance only; add --mode plain",
        };
        return Err(Error::Setting(format!("row {name:?}: {what}")));
    }
    if row.mode == Mode::Secure { crate::config::check_secure(row.approx) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::{guidance, row};
    use super::*;
    use crate::config::{Approx, GpuConfig};
    use crate::subject;

    fn config(model: &str) -> Config {
        Config {
            model: std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets").join(model),
            rows: vec![],
            title: String::new(),
            wishes: vec![],
            batch: 4,
            seed: 5,
            judge: None,
            features: None,
            clip: None,
            real: None,
            gpu: GpuConfig::default(),
            out: "unused".into(),
            kept: "unused/rows".into(),
            markdown: None,
            quiet: true,
        }
    }

    #[test]
    fn jobs_on_shares_are_those_of_run() {
        let shares = Row { mode: Mode::Secure, scale: 7.5, ..row(Approx::Loose, guidance(0.2)) };
        let prompts = super::super::wishes::prompts(2);
        let job = secure_job(&config("mini-sd"), &shares, 3, &prompts).expect("a job");
        assert_eq!((job.seed, job.images(), job.guidance.eta, job.guidance.scale), (8, 2, 0.2, 7.5));
        let subject::Subject::Prompts { prompts: said, origins, text } = &job.subject else { panic!("prompts") };
        assert_eq!(said.0[1].text, "a photo of a trousers");
        assert_eq!(origins[1], super::super::origin(5, 3 * SESSION + 1));
        assert_eq!((text.approx_text, text.approx_vae), (Approx::Loose, Approx::Loose));
        let ends = Row { exact_ends: true, sampler: Sampler::Pcm, steps: 8, ..shares.clone() };
        let job = secure_job(&config("mini-sd"), &ends, 0, &prompts).expect("a job");
        let subject::Subject::Prompts { text, .. } = &job.subject else { panic!("prompts") };
        assert_eq!((text.vae, text.sampler), (masque_models::Place::Client, Sampler::Pcm));
        let classes = super::super::wishes::classes(2, 3);
        let job = secure_job(&config("binary-mnist"), &shares, 0, &classes).expect("a job");
        assert!(matches!(&job.subject, subject::Subject::Classes(c) if c.0 == [0, 1, 0]));
    }

    #[test]
    fn rows_that_shares_cannot_make() {
        let shares = Row { mode: Mode::Secure, ..row(Approx::Loose, Method::None) };
        let pcm = Row { sampler: Sampler::Pcm, ..shares.clone() };
        assert!(check_secure(&shares, false).is_ok() && check_secure(&pcm, true).is_ok());
        let capped = Method::Guidance { eta: 0.1, weight: masque_models::GuidanceWeight::Snr, cap: Some(1.0) };
        let pag = Method::Pag { scale: 3.0, block: "mid_block".into() };
        for (row, text) in [
            (pcm, false),
            (Row { method: capped, ..shares.clone() }, true),
            (Row { method: pag, ..shares.clone() }, true),
            (Row { approx: Approx::Exact, ..shares.clone() }, true),
        ] {
            assert!(check_secure(&row, text).is_err(), "{}", row.name());
        }
    }
}
