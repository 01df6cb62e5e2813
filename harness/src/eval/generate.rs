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
use super::store::{Batch, Fixed, Store};
use super::wishes::{self, Asked, hex};
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
            wishes: wishes::digest(&config.wishes),
            seed: config.seed,
            batch: config.batch,
        };
        let mut stores = Self { rows: Vec::new(), chains: HashMap::new() };
        for (row, _) in &config.rows {
            stores.rows.push(Store::open(&config.out, &row.folder(), &fixed(Some(row)))?);
            let key = (row.sampler, row.steps);
            if matches!(row.method, Method::Guidance { .. })
                && row.mode == Mode::Plain
                && !stores.chains.contains_key(&key)
            {
                stores.chains.insert(key, Store::open(&config.out, &chain_name(key.0, key.1), &fixed(None))?);
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

    fn image_len(&self) -> usize {
        self.subject.extents().iter().product()
    }

    /// Makes what is missing.
    pub fn run(mut self, stores: &Stores) -> Result<()> {
        let batches: Vec<(usize, &[Asked])> = self.config.wishes.chunks(self.config.batch).enumerate().collect();
        // Evaluations of the network for all images that are missing, so that the time left is about right.
        let mut missing: Vec<Vec<usize>> = Vec::new();
        for (b, wishes) in &batches {
            let mut rows = Vec::new();
            for (r, store) in stores.rows.iter().enumerate() {
                if !store.has(*b, wishes.len() * self.image_len())? {
                    rows.push(r);
                }
            }
            let work = |r: &usize| self.config.rows[*r].0.steps * self.config.rows[*r].0.evaluations();
            self.total += (rows.iter().map(work).sum::<usize>() * wishes.len()) as u64;
            for (key, store) in &stores.chains {
                if self.needs_chain(&rows, *key) || !store.has(*b, wishes.len() * self.image_len())? {
                    self.total += (key.1 * wishes.len()) as u64;
                }
            }
            missing.push(rows);
        }
        if self.total > 0 {
            self.reporter.event(&Progress::Phase("evaluating"));
        }
        for ((b, wishes), rows) in batches.into_iter().zip(missing) {
            self.batch(stores, b, wishes, &rows)?;
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

    fn batch(&mut self, stores: &Stores, b: usize, wishes: &[Asked], rows: &[usize]) -> Result<()> {
        let first = b * self.config.batch;
        let origins: Vec<Origin> = (first..first + wishes.len()).map(|i| origin(self.config.seed, i)).collect();
        let extents = self.subject.extents();
        let mut chains: HashMap<(Sampler, usize), Chain> = HashMap::new();
        for (key, store) in &stores.chains {
            let there = store.has(b, wishes.len() * self.image_len())?;
            if !there || self.needs_chain(rows, *key) {
                let chain = self.subject.chain(&origins, key.0, key.1).map_err(EngineError::from)?;
                if !there {
                    let end = self.subject.images(chain.end.clone(), &Functions::default());
                    let images = end.map_err(EngineError::from)?;
                    store.save(b, extents, &Batch { images, ..Batch::default() })?;
                }
                self.advance(key.1 * wishes.len());
                chains.insert(*key, chain);
            }
        }
        for r in rows {
            let row = &self.config.rows[*r].0;
            tracing::info!(row = row.name(), batch = b, images = wishes.len(), "generating");
            let made = match row.mode {
                Mode::Plain => self.plain(row, wishes, &origins, chains.get(&(row.sampler, row.steps)))?,
                Mode::Secure => self.secure(row, first, wishes)?,
            };
            stores.rows[*r].save(b, extents, &made)?;
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
    let classes: Vec<String> = wishes
        .iter()
        .map(|w| match &w.wish {
            Wish::Class(c) => Ok(c.to_string()),
            Wish::Text(_) => Err(Error::Setting("--mode secure evaluates class-conditional models only".into())),
        })
        .collect::<Result<_>>()?;
    let (eta, weight) = match &row.method {
        Method::Guidance { eta, weight, cap: None } => (*eta, *weight),
        _ => (0.0, masque_models::GuidanceWeight::Respaced),
    };
    let approx = format!("{:?}", row.approx).to_lowercase();
    let flags = [
        "harness".to_owned(),
        "run".into(),
        "--quiet".into(),
        "--no-fidelity".into(),
        format!("--model={}", config.model.display()),
        format!("--out={}", config.out.display()),
        format!("--classes={}", classes.join(",")),
        format!("--count={}", wishes.len()),
        format!("--steps={}", row.steps),
        format!("--seed={}", config.seed.wrapping_add(session as u64)),
        format!("--approx={approx}"),
        format!("--guidance-scale={}", row.scale),
        format!("--guidance-eta={eta}"),
        format!("--guidance-weight={weight}"),
    ];
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

/// Refuses rows that cannot be made on shares.
pub fn check_secure(row: &Row) -> Result<()> {
    let capped = matches!(row.method, Method::Guidance { cap: Some(_), .. });
    let other = matches!(row.method, Method::Pag { .. } | Method::Fks { .. });
    if row.mode == Mode::Secure
        && (capped || other || row.stress.is_some() || row.sampler != Sampler::Ddim || row.exact_ends)
    {
        let name = row.name();
        let what = "on shares there are ddim, none and uncapped guidance only; add --mode plain";
        return Err(Error::Setting(format!("row {name:?}: {what}")));
    }
    if row.mode == Mode::Secure { crate::config::check_secure(row.approx) } else { Ok(()) }
}
