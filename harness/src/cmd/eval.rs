//! `harness eval`: the paper's experiments on a model's images.

use std::path::{Path, PathBuf};

use clap::Args;
use masque_engine::gpu::Gpu;
use masque_models::evaluation::Subject;
use masque_models::{GuidanceWeight, Sampler};

use crate::cli::GpuArgs;
use crate::config::{Approx, MOST_IMAGES, Mode, Weight};
use crate::engine::{EngineError, adapter_choice};
use crate::error::{Error, Result};
use crate::eval::clip::ClipJudge;
use crate::eval::generate::{Generator, Stores, check_secure, clean};
use crate::eval::inception::InceptionFeatures;
use crate::eval::judge::Judge;
use crate::eval::paper::{Base, table};
use crate::eval::real::{Features, target};
use crate::eval::report::Report;
use crate::eval::rows::{Method, Product};
use crate::eval::stress::{SWEEP, Stress};
use crate::eval::table::{csv, text};
use crate::eval::{Config, SESSION, markdown, measure, page, plot, wishes};
use crate::images::Pictures;
use crate::model::{Kind, Model};
use crate::output::OutputDir;

/// Pictures of a row on the page.
const SHOWN: usize = 36;

/// A method, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum MethodName {
    /// Nothing
    None,
    /// The paper's guidance, once for each --guidance-eta above 0
    Guidance,
    /// Perturbed-attention guidance
    Pag,
    /// Feynman-Kac steering, with the judge as its verifier
    Fks,
}

/// Flags of `harness eval`, as typed.
#[derive(Args)]
pub struct EvalArgs {
    /// Model folder in diffusers' layout [default: assets/mini-sd]
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Images of every row; classes or prompts take turns
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_IMAGES)))]
    pub images: u32,
    /// Functions to compare
    #[arg(long, value_enum, value_delimiter = ',', default_value = "exact,precise,loose")]
    pub approx: Vec<Approx>,
    /// Methods to compare
    #[arg(long, value_enum, value_delimiter = ',', default_value = "none,guidance")]
    pub method: Vec<MethodName>,
    /// In plaintext, on shares, or both: then shares are compared with plaintext
    #[arg(long, value_enum, value_delimiter = ',', default_value = "plain")]
    pub mode: Vec<Mode>,
    /// Samplers: ddim, ddpm, ddpm-printed, lcm, pcm
    #[arg(long, value_delimiter = ',', default_value = "ddim")]
    pub sampler: Vec<Sampler>,
    /// Steps of each sampler
    #[arg(long, value_delimiter = ',', default_value = "50")]
    pub steps: Vec<u32>,
    /// Rows of a table of the paper (1 to 6, or 8) with its figures beside; replaces the lists above
    #[arg(long, value_name = "N", conflicts_with_all = ["approx", "method", "mode", "sampler", "stress"])]
    pub table: Option<u8>,
    /// Make the functions worse, one knob at a time: bits:N, exp-degree:N, exp-range:X, degree:N, border:X; alone, a sweep
    #[arg(long, value_name = "LIST", value_delimiter = ',', num_args = 0..=1, default_missing_value = SWEEP)]
    pub stress: Vec<Stress>,
    /// Prompts, one a line, each with the judge's class and a tab before it or without
    #[arg(long, value_name = "FILE")]
    pub prompts: Option<PathBuf>,
    /// Images computed at once
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub batch: u32,
    /// Seed of the initial noise
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Folder of the classifier that judges [default: classifier/ in the model's folder, if it is there]
    #[arg(long, value_name = "DIR")]
    pub judge: Option<PathBuf>,
    /// Inception v3 for the distance, which is then FID: pytorch-fid's weights as safetensors [default: the judge's features]
    #[arg(long, value_name = "FILE", requires = "real")]
    pub features: Option<PathBuf>,
    /// CLIP model in transformers' layout: adds the CLIP score of images and prompts
    #[arg(long, value_name = "DIR")]
    pub clip: Option<PathBuf>,
    /// Real images to measure the distance to: safetensors with `images` [n, h, w] or [n, h, w, 3] of bytes, or `mean` and
    /// `covariance` of features
    #[arg(long, value_name = "FILE")]
    pub real: Option<PathBuf>,
    /// Folder for results. An evaluation that was interrupted goes on with the same flags
    #[arg(long, value_name = "DIR", default_value = "out-eval")]
    pub out: PathBuf,
    /// Folder for finished images; evaluations of one model may share it, and with it their rows [default: rows/ in --out]
    #[arg(long, value_name = "DIR")]
    pub kept: Option<PathBuf>,
    /// Also put the results into a page in Markdown, between its lines <!-- NAME --> and <!-- end NAME -->, NAME being that of
    /// the results' folder; the plot goes beside it
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,

    /// Strengths of the unconditional-score guidance
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "0.1", help_heading = "Guidance")]
    pub guidance_eta: Vec<f64>,
    /// Reading of that guidance's weight
    #[arg(long, value_enum, default_value_t, help_heading = "Guidance")]
    pub guidance_weight: Weight,
    /// Largest product of strength and weight
    #[arg(long, value_name = "X", help_heading = "Guidance")]
    pub guidance_cap: Option<f64>,
    /// Classifier-free guidance as in diffusers; 1 switches it off [default: 7.5 for text, 2 for classes]
    #[arg(long, value_name = "S", help_heading = "Guidance")]
    pub guidance_scale: Option<f64>,
    /// Scale of perturbed-attention guidance
    #[arg(long, value_name = "S", default_value_t = 3.0, help_heading = "Guidance")]
    pub pag_scale: f64,
    /// Block, or beginning of blocks' paths, whose attention it perturbs
    #[arg(long, value_name = "PATH", default_value = "mid_block", help_heading = "Guidance")]
    pub pag_block: String,
    /// Samples of an image under Feynman-Kac steering
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(2..=64), help_heading = "Guidance")]
    pub fks_particles: u8,
    /// Sharpness of its selection
    #[arg(long, value_name = "X", default_value_t = 10.0, help_heading = "Guidance")]
    pub fks_lambda: f64,
    /// Selections while sampling
    #[arg(long, value_name = "N", default_value_t = 4, help_heading = "Guidance")]
    pub fks_selections: u8,

    /// Device flags.
    #[command(flatten)]
    pub gpu: GpuArgs,
}

impl EvalArgs {
    /// Whether client, server and dealer run in this process.
    pub fn on_shares(&self) -> bool {
        self.mode.contains(&Mode::Secure)
    }

    fn check_numbers(&self, scale: f64) -> Result<()> {
        let wrong = |what: &str, v: f64, least: f64| {
            let bad = !v.is_finite() || v < least;
            bad.then(|| Error::Setting(format!("{what} {v} is out of range; give {least} or more")))
        };
        let etas = self.guidance_eta.iter().map(|v| ("--guidance-eta", *v, 0.0));
        let others = [
            ("--guidance-scale", scale, 1.0),
            ("--guidance-cap", self.guidance_cap.unwrap_or(1.0), 0.0),
            ("--pag-scale", self.pag_scale, 0.0),
            ("--fks-lambda", self.fks_lambda, 0.0),
        ];
        etas.chain(others).find_map(|(what, v, least)| wrong(what, v, least)).map_or(Ok(()), Err)
    }

    fn pag(&self) -> Method {
        Method::Pag { scale: self.pag_scale, block: self.pag_block.clone() }
    }

    fn fks(&self) -> Method {
        let (particles, selections) = (self.fks_particles.into(), self.fks_selections.into());
        Method::Fks { particles, lambda: self.fks_lambda, selections }
    }

    fn methods(&self, weight: GuidanceWeight) -> Vec<Method> {
        let one = |name: &MethodName| match name {
            MethodName::None => vec![Method::None],
            MethodName::Guidance => {
                let etas = self.guidance_eta.iter().filter(|eta| **eta > 0.0);
                etas.map(|eta| Method::Guidance { eta: *eta, weight, cap: self.guidance_cap }).collect()
            }
            MethodName::Pag => vec![self.pag()],
            MethodName::Fks => vec![self.fks()],
        };
        self.method.iter().flat_map(one).collect()
    }

    /// The checked settings these flags mean.
    pub fn resolve(self) -> Result<Config> {
        let model = Model::open(self.model.as_deref())?;
        let scale = self.guidance_scale.unwrap_or(if model.kind == Kind::Text { 7.5 } else { 2.0 });
        self.check_numbers(scale)?;
        self.steps.iter().try_for_each(|steps| model.check_steps(*steps))?;
        let weight = GuidanceWeight::from(self.guidance_weight);
        let steps: Vec<usize> = self.steps.iter().map(|s| *s as usize).collect();
        let (title, rows) = match self.table {
            Some(number) => {
                let (pag, fks) = (self.pag(), self.fks());
                let base = Base { weight, cap: self.guidance_cap, steps: steps[0], scale, pag, fks };
                let table = table(number, &base)?;
                (table.title, table.rows)
            }
            None => {
                let product = Product {
                    approx: self.approx.clone(),
                    stress: self.stress.clone(),
                    methods: self.methods(weight),
                    samplers: self.sampler.iter().flat_map(|s| steps.iter().map(|n| (*s, *n))).collect(),
                    scale,
                    modes: self.mode.clone(),
                };
                let rows: Vec<_> = product.rows().into_iter().map(|row| (row, None)).collect();
                ("Functions and methods compared".to_owned(), rows)
            }
        };
        if rows.is_empty() {
            return Err(Error::Setting("nothing to evaluate: --method guidance needs a --guidance-eta above 0".into()));
        }
        rows.iter().try_for_each(|(row, _)| check_secure(row, model.kind == Kind::Text))?;
        let n = self.images as usize;
        let wishes = match (&self.prompts, model.kind) {
            (Some(_), Kind::Classes(_)) => {
                return Err(Error::Setting("--prompts has no meaning for a model that draws classes".into()));
            }
            (Some(file), Kind::Text) => wishes::from_file(file, n)?,
            (None, Kind::Text) => wishes::prompts(n),
            (None, Kind::Classes(classes)) => wishes::classes(classes as usize, n),
        };
        let judge = self.judge.or_else(|| Some(model.path.join("classifier")).filter(|p| p.exists()));
        let real = self.real;
        if judge.is_none() && rows.iter().any(|(row, _)| matches!(row.method, Method::Fks { .. })) {
            return Err(Error::Setting("--method fks needs a classifier; name its folder with --judge".into()));
        }
        if judge.is_none() && self.features.is_none() && real.is_some() {
            let what =
                "--real needs a network for its features; name a classifier with --judge or a file with --features";
            return Err(Error::Setting(what.into()));
        }
        if self.clip.is_some() && model.kind != Kind::Text {
            return Err(Error::Setting("--clip compares images with prompts, and this model draws classes".into()));
        }
        let kept = self.kept.unwrap_or_else(|| self.out.join("rows"));
        let (features, clip, markdown) = (self.features, self.clip, self.markdown);
        // Whole sessions on shares, so that a batch is a number of them.
        let batch = (self.batch as usize).next_multiple_of(SESSION);
        let (gpu, seed, out, quiet) = (self.gpu.resolve(), self.seed, self.out, self.quiet);
        Ok(Config {
            model: model.path,
            rows,
            title,
            wishes,
            batch,
            seed,
            judge,
            features,
            clip,
            real,
            gpu,
            out,
            kept,
            markdown,
            quiet,
        })
    }
}

/// Makes what is missing, measures, writes, and prints the table.
pub fn execute(args: EvalArgs) -> Result<()> {
    let config = args.resolve()?;
    let report = evaluate(&config)?;
    super::print(&text(&report))
}

fn evaluate(config: &Config) -> Result<Report> {
    let open = || Gpu::open(&adapter_choice(&config.gpu)).map_err(EngineError::from);
    let gpu = open()?;
    let mut devices = vec![gpu.clone()];
    // The threads of a software device wait for each other after every kernel. Two devices with half the threads each do not.
    if gpu.is_software() && std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) {
        devices.push(open()?);
    }
    let subject = Subject::open(devices, &config.model).map_err(EngineError::from)?;
    let mut judge = config.judge.as_ref().map(|folder| Judge::open(folder, gpu.clone())).transpose()?;
    let extents @ [height, width, channels] = subject.extents();
    if let Some(what) = judge.as_ref().and_then(|judge| judge.check(extents).err()) {
        return Err(Error::Setting(format!("{what}; name another classifier with --judge")));
    }
    // A file that cannot be used is found before anything is computed.
    let inception = config.features.as_ref().map(|file| InceptionFeatures::open(file, gpu.clone()));
    let mut inception = inception.transpose()?;
    let mut clip = config.clip.as_ref().map(|folder| ClipJudge::open(folder, gpu)).transpose()?;
    let real = match (&config.real, &mut inception, &mut judge) {
        (Some(path), Some(network), _) => Some(target(network, path)?),
        (Some(path), None, Some(judge)) => Some(target(judge, path)?),
        _ => None,
    };
    let name = config.out.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let page = config.markdown.as_deref().map(|path| {
        let text = std::fs::read_to_string(path).map_err(|e| Error::input(path, format!("cannot be read: {e}")))?;
        markdown::replaced(path, &text, &name, "").map(|_| (path, text))
    });
    let page = page.transpose()?;
    let out = OutputDir::prepare(&config.out)?;
    let stores = Stores::open(config, &subject)?;
    Generator::new(config, &subject, judge.as_mut()).run(&stores)?;
    let extra = measure::Extra {
        real: real.as_ref(),
        features: inception.as_mut().map(|network| network as &mut dyn Features),
        clip: clip.as_mut(),
    };
    let report = measure::measure(config, &subject, &stores, judge.as_mut(), extra)?;
    let mut grids = Vec::new();
    for ((row, _), store) in config.rows.iter().zip(&stores.rows) {
        let mut images: Vec<f32> = Vec::new();
        let (len, shown) = (height * width * channels, SHOWN.min(config.wishes.len()));
        for (place, _) in config.batches(len).iter().take(shown.div_ceil(config.batch)) {
            images.extend(store.load(place)?.unwrap_or_default().images);
        }
        images.truncate(shown * len);
        let grid = Pictures::from_floats(&clean(&images), [images.len() / len, height, width, channels])?.grid()?;
        out.write(&format!("{}.png", row.folder()), &grid)?;
        grids.push(grid);
    }
    let plot = plot::svg(&report)?;
    if let Some(plot) = &plot {
        out.write("eval.svg", plot.as_bytes())?;
    }
    out.write("eval.csv", csv(&report).as_bytes())?;
    out.write("eval.html", page::page(&report, plot.as_deref(), &grids).as_bytes())?;
    let json = serde_json::to_string_pretty(&report).map_err(|e| Error::Setting(format!("no report: {e}")))?;
    out.write("eval.json", json.as_bytes())?;
    if let Some((path, text)) = page {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let (beside, file) = (OutputDir::prepare(folder)?, format!("{name}.svg"));
        if let Some(plot) = &plot {
            beside.write(&file, plot.as_bytes())?;
        }
        let section = markdown::section(&report, plot.is_some().then_some(file.as_str()));
        let text = markdown::replaced(path, &text, &name, &section)?;
        beside.write(&path.file_name().unwrap_or_default().to_string_lossy(), text.as_bytes())?;
    }
    Ok(report)
}
