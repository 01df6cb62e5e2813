//! From stored images to figures.

use std::collections::HashMap;

use masque_models::Sampler;
use masque_models::evaluation::Subject;

use super::clip::ClipJudge;
use super::fid::{Moments, Target};
use super::generate::{Stores, clean};
use super::judge::{Findings, Judge};
use super::real::Features;
use super::report::{Found, Report, SCHEMA};
use super::rows::Row;
use super::statistics::{Estimate, around, drift, f1, mean, share};
use super::store::{Batch, Place, Store};
use super::wishes::hex;
use super::{Config, ssim::ssim};
use crate::config::Mode;
use crate::engine;
use crate::error::{Error, Result};
use crate::images;

/// Values are shown from -1 to 1.
const RANGE: f64 = 2.0;

/// All images of a row, joined.
fn load(store: &Store, places: &[Place]) -> Result<Batch> {
    let mut all = Batch::default();
    for place in places {
        let missing = || Error::Setting(format!("batch {} of a row went away while it was measured", place.index));
        let batch = store.load(place)?.ok_or_else(missing)?;
        all.images.extend(batch.images);
        all.seconds += batch.seconds;
        all.online_bytes += batch.online_bytes;
        all.offline_bytes += batch.offline_bytes;
    }
    Ok(all)
}

/// Index of the row that another is compared with.
fn reference(rows: &[(Row, Option<String>)], row: &Row) -> Option<usize> {
    let plain = Row { mode: Mode::Plain, ..row.clone() };
    rows.iter().position(|(other, _)| match row.mode {
        Mode::Secure => *other == plain,
        Mode::Plain => other.is_reference() && other.is_sibling(row),
    })
}

/// What the judge says of the chains without a condition.
fn siblings(
    stores: &Stores,
    places: &[Place],
    judge: &mut Judge,
    channels: usize,
) -> Result<HashMap<(Sampler, usize), Vec<usize>>> {
    let look = |judge: &mut Judge, store: &Store| judge.look(&clean(&load(store, places)?.images), channels);
    stores.chains.iter().map(|(key, store)| Ok((*key, look(judge, store)?.classes))).collect()
}

/// What images are measured with beside the judge.
#[derive(Default)]
pub struct Extra<'a> {
    /// What distances are measured to.
    pub real: Option<&'a Target>,
    /// The network for distances, if not the judge.
    pub features: Option<&'a mut dyn Features>,
    /// CLIP.
    pub clip: Option<&'a mut ClipJudge>,
}

/// Distances of features wider than this have no interval: each resample is an eigenproblem.
const WIDEST: usize = 256;

fn distance(features: &[f32], real: &Target) -> Option<Estimate> {
    let width = real.width();
    let of = |rows: &[usize]| {
        let some: Vec<f32> = rows.iter().flat_map(|r| &features[r * width..][..width]).copied().collect();
        real.distance(&Moments::of(&some, width)?)
    };
    around(features.len() / width, if width > WIDEST { 0 } else { 200 }, of)
}

/// The figures of all rows.
pub fn measure(
    config: &Config,
    subject: &Subject,
    stores: &Stores,
    mut judge: Option<&mut Judge>,
    mut extra: Extra<'_>,
) -> Result<Report> {
    let extents @ [_, _, channels] = subject.extents();
    let places: Vec<Place> = config.batches(extents.iter().product()).into_iter().map(|(place, _)| place).collect();
    let siblings = match &mut judge {
        Some(judge) => siblings(stores, &places, judge, channels)?,
        None => HashMap::new(),
    };
    let wanted: Option<Vec<usize>> = config.wishes.iter().map(|w| w.class).collect();
    let name_of_distance = match (&extra.features, &judge) {
        (Some(network), _) => Some(network.distance().to_owned()),
        (None, Some(judge)) => Some(judge.distance().to_owned()),
        (None, None) => None,
    };
    let prompts: Option<Vec<&str>> = config.wishes.iter().map(|w| w.wish.text()).collect();
    let mut rows = Vec::new();
    for (store, (row, paper)) in stores.rows.iter().zip(&config.rows) {
        let batch = load(store, &places)?;
        let shown = clean(&batch.images);
        let findings = match &mut judge {
            Some(judge) => Some(judge.look(&shown, channels)?),
            None => None,
        };
        let mut found = figures(row, &batch, extents);
        found.paper.clone_from(paper);
        if let Some(f) = &findings {
            judged(&mut found, f, wanted.as_deref(), siblings.get(&(row.sampler, row.steps)));
        }
        if let Some(real) = &extra.real {
            let features = match (&mut extra.features, findings) {
                (Some(network), _) => Some(network.features(&shown, extents)?),
                (None, findings) => findings.map(|f| f.features),
            };
            found.distance = features.and_then(|f| distance(&f, real));
        }
        if let (Some(clip), Some(prompts)) = (&mut extra.clip, &prompts) {
            found.clip = mean(&clip.scores(&shown, extents, prompts)?);
        }
        if let Some(r) = reference(&config.rows, row).filter(|r| config.rows[*r].0 != *row) {
            let other = clean(&load(&stores.rows[r], &places)?.images);
            found.psnr_db = images::compare(&shown, &other)?.psnr_db;
            found.ssim = similarity(&shown, &other, extents);
            found.against = Some(config.rows[r].0.name());
        }
        rows.push(found);
    }
    let name = config.model.canonicalize().ok().and_then(|p| Some(p.file_name()?.to_string_lossy().into_owned()));
    Ok(Report {
        schema: SCHEMA.into(),
        title: config.title.clone(),
        command: command(std::env::args()),
        model: name.unwrap_or_else(|| "model".into()),
        model_digest: hex(&subject.digest()),
        adapter: engine::adapter_report(&subject.gpu().describe()),
        images: config.wishes.len(),
        seed: config.seed,
        judge: judge.as_ref().map(|j| format!("classifier of {} classes", j.classes())),
        distance: extra.real.and(name_of_distance),
        rows,
    })
}

/// The command line without what changes no result.
fn command(args: impl Iterator<Item = String>) -> String {
    let mut words = vec!["harness".to_owned()];
    let mut args = args.skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-q" | "--quiet" => {}
            "--markdown" => drop(args.next()),
            _ if arg.starts_with("--markdown=") => {}
            _ => words.push(arg),
        }
    }
    words.join(" ")
}

fn figures(row: &Row, batch: &Batch, extents: [usize; 3]) -> Found {
    let values = batch.images.len().max(1) as f64;
    let broken = batch.images.chunks(extents.iter().product::<usize>().max(1));
    Found {
        name: row.name(),
        row: row.clone(),
        seconds: batch.seconds,
        accuracy: None,
        f1: None,
        drift: None,
        distance: None,
        clip: None,
        psnr_db: None,
        ssim: None,
        against: None,
        outside: batch.images.iter().filter(|v| v.abs() > 1.05).count() as f64 / values,
        broken: broken.filter(|image| image.iter().any(|v| !v.is_finite())).count(),
        online_bytes: batch.online_bytes,
        offline_bytes: batch.offline_bytes,
        paper: None,
    }
}

fn judged(found: &mut Found, f: &Findings, wanted: Option<&[usize]>, siblings: Option<&Vec<usize>>) {
    if let Some(wanted) = wanted {
        let hits = wanted.iter().zip(&f.classes).filter(|(a, b)| a == b).count();
        found.accuracy = share(hits, wanted.len());
        found.f1 = f1(wanted, &f.classes);
        found.drift = siblings.and_then(|u| drift(wanted, &f.classes, u));
    }
}

/// Mean over all images; `None` for images that are too small.
fn similarity(a: &[f32], b: &[f32], extents: [usize; 3]) -> Option<f64> {
    let len = extents.iter().product::<usize>().max(1);
    let each = a.chunks(len).zip(b.chunks(len)).map(|(a, b)| ssim(a, b, extents, RANGE));
    let values: Option<Vec<f64>> = each.collect();
    values.map(|v| v.iter().sum::<f64>() / v.len().max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::{guidance, row};
    use super::*;
    use crate::config::Approx;
    use crate::eval::rows::Method;

    #[test]
    fn plain_rows_look_at_the_exact_one_and_shares_at_their_plaintext() {
        let exact = row(Approx::Exact, Method::None);
        let loose = row(Approx::Loose, guidance(0.1));
        let shares = Row { mode: Mode::Secure, ..loose.clone() };
        let few = Row { steps: 8, ..loose.clone() };
        let rows: Vec<_> = [loose, exact, shares, few].into_iter().map(|r| (r, None)).collect();
        let found: Vec<_> = rows.iter().map(|(r, _)| reference(&rows, r)).collect();
        assert_eq!(found, [Some(1), Some(1), Some(0), None]);
    }

    #[test]
    fn commands_say_what_decides_the_results() {
        let args = ["/x/harness", "eval", "-q", "--images", "8", "--markdown", "page.md", "--markdown=a", "--out=b"];
        assert_eq!(command(args.iter().map(|a| (*a).to_owned())), "harness eval --images 8 --out=b");
    }

    #[test]
    fn figures_that_need_no_judge() {
        let batch = Batch { images: vec![0.0, 1.1, f32::NAN, 0.5, -2.0, 0.0, 0.0, 1.0], ..Batch::default() };
        let found = figures(&row(Approx::Loose, Method::None), &batch, [2, 2, 1]);
        assert_eq!((found.outside, found.broken), (0.25, 1));
        assert_eq!(clean(&batch.images), [0.0, 1.0, 0.0, 0.5, -1.0, 0.0, 0.0, 1.0]);
    }
}
