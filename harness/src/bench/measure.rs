//! Times one operation between three roles, and compares its result with what it should be.

use std::time::{Duration, Instant};

use masque_engine::correlated::Scope;
use masque_engine::protocol::{Cost, Ctx, Role, Share};
use masque_engine::testing::signed;
use masque_engine::trace::Place;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::Result;
use super::ops::{Held, Operation, Output, Piece};
use super::report::{Row, Spread};
use super::trio::Trio;

/// What one repetition took, summed over its pieces.
#[derive(Default)]
struct Sample {
    total: f64,
    network: f64,
    offline: f64,
    cpu: Option<f64>,
    cost: Cost,
}

/// A party's part of the online phase.
struct Part {
    took: Duration,
    waited: Duration,
    cost: Cost,
    words: Option<Words>,
}

/// What a party holds of a result.
struct Words {
    /// Its share, or that of the mask.
    own: Vec<u64>,
    /// The opened words, if the result is a wire or bits.
    opened: Option<Vec<u64>>,
    /// Ring and fraction bits.
    k: u32,
    f: u32,
}

/// Sums of errors.
#[derive(Default)]
struct Errors {
    count: usize,
    secure: f64,
    plain: Option<f64>,
    squares: f64,
    largest: f64,
}

/// Runs an operation once to compile its kernels and check its result, then `repeat` times for the clock. `evals` counts
/// the evaluations of the session, so that no mask is drawn twice.
pub fn measure(trio: &mut Trio, op: &dyn Operation, repeat: usize, evals: &mut u32) -> Result<Row> {
    let mut errors = Errors::default();
    repetition(trio, op, evals, Some(&mut errors))?;
    errors.check(op)?;
    let samples: Vec<Sample> = (0..repeat).map(|_| repetition(trio, op, evals, None)).collect::<Result<_>>()?;
    let spread = |f: fn(&Sample) -> f64| Spread::of(samples.iter().map(f).collect());
    let cpu: Option<Vec<f64>> = samples.iter().map(|s| s.cpu).collect();
    let (label, last) = (op.label(), samples.last().ok_or("at least one repetition")?);
    Ok(Row {
        op: label.op.into(),
        approx: label.approx.map(|a| a.name().into()),
        form: label.form,
        size: label.size,
        range: label.range,
        elements: op.elements() as u64,
        pieces: op.pieces() as u64,
        total_s: spread(|s| s.total),
        compute_s: spread(|s| s.total - s.network),
        network_s: spread(|s| s.network),
        offline_s: spread(|s| s.offline),
        cpu_s: cpu.map(Spread::of),
        to_server_bytes: last.cost.to_server,
        to_client_bytes: last.cost.to_client,
        offline_bytes: last.cost.offline,
        rounds: last.cost.half_rounds as f64 / 2.0,
        mse: errors.secure / errors.count as f64,
        plain_mse: errors.plain.map(|p| p / errors.count as f64),
        max_error: errors.largest,
    })
}

fn repetition(trio: &mut Trio, op: &dyn Operation, evals: &mut u32, mut errors: Option<&mut Errors>) -> Result<Sample> {
    let mut sample = Sample { cpu: Some(0.0), ..Sample::default() };
    let name = op.label();
    let name = format!("{} {}", name.op, name.form);
    for index in 0..op.pieces() {
        let piece = op.piece(index);
        let mut scope = || {
            *evals += 1;
            Scope { eval: *evals, node: 0, tile: 0 }
        };
        let (before, during) = (scope(), scope());
        let held = trio.together(before, |ctx| {
            let shares = shares(ctx, &piece, before.eval)?;
            Ok(op.prepare(ctx, shares, &piece)?)
        })?;
        let (cpu, corrections, sent) = (cpu_seconds(), trio.offline_bytes(), trio.online_bytes());
        let dealt = trio.offline(during, |ctx| Ok(op.run(ctx, &held[2]).map(drop)?))?;
        let verify = errors.is_some();
        let parts = trio.online(during, [&held[0], &held[1]], |ctx, held| party(ctx, op, held, &name, verify))?;
        sample.cpu = sample.cpu.zip(cpu).zip(cpu_seconds()).map(|((sum, from), to)| sum + to - from);
        let sent = trio.online_bytes().since(&sent);
        sample.total += parts.iter().map(|p| p.took).max().unwrap_or_default().as_secs_f64();
        // What both parties waited for; the longer wait contains the slower party's work.
        sample.network += parts.iter().map(|p| p.waited).min().unwrap_or_default().as_secs_f64();
        sample.offline += dealt.as_secs_f64();
        // What went over the channels; rounds as the client took part in them.
        let counted = Cost {
            to_server: sent.sent_payload,
            to_client: sent.received_payload,
            offline: trio.offline_bytes() - corrections,
            half_rounds: parts[0].cost.half_rounds,
        };
        let declared = op.cost(index)?;
        if counted != declared {
            return Err(format!("{name} costs {counted:?}, declared is {declared:?}; this is a bug").into());
        }
        sample.cost = sample.cost + counted;
        if let (Some(errors), [Part { words: Some(c), .. }, Part { words: Some(s), .. }]) = (&mut errors, &parts) {
            errors.add(&piece, &values(c, s));
        }
    }
    Ok(sample)
}

/// A party's part, ended by its device.
fn party(ctx: &mut Ctx, op: &dyn Operation, held: &Held, name: &str, verify: bool) -> Result<Part> {
    let (start, waited, cost) = (Instant::now(), ctx.waited(), ctx.cost());
    let output = op.run(ctx, held)?;
    ctx.rec.read(&[])?;
    let (took, waited, cost) = (start.elapsed(), ctx.waited() - waited, ctx.cost() - cost);
    ctx.rec.note(Place::Host, name, None, 0, start);
    let words = if verify { Some(words(ctx, &output)?) } else { None };
    Ok(Part { took, waited, cost, words })
}

/// Shares of a piece's inputs, uniformly random. The roles of this process agree on them without a message.
fn shares(ctx: &mut Ctx, piece: &Piece, eval: u32) -> Result<Vec<Share>> {
    let mut rng = ChaCha20Rng::seed_from_u64(u64::from(eval));
    let mut share = |t: &super::ops::Tensor| -> Result<Share> {
        let masks: Vec<u64> = t.values.iter().map(|_| rng.next_u64()).collect();
        let words = match ctx.role {
            Role::Client => Some(masks),
            Role::Server => Some(t.values.iter().zip(&masks).map(|(v, m)| (*v as u64).wrapping_sub(*m)).collect()),
            Role::Dealer => None,
        };
        let buf = words.map(|w: Vec<u64>| ctx.rec.upload_slice(&w)).transpose()?;
        Ok(Share { n: t.values.len(), k: t.k, f: t.f, buf })
    };
    piece.inputs.iter().map(&mut share).collect()
}

/// Brings a result to the host.
fn words(ctx: &mut Ctx, output: &Output) -> Result<Words> {
    Ok(match output {
        Output::Share(x) => Words { own: ctx.rec.read_slice(x.words(), x.n)?, opened: None, k: x.k, f: x.f },
        Output::Wire(x) => {
            let own = ctx.rec.read_slice(&x.lam, x.n)?;
            Words { own, opened: Some(ctx.rec.read_slice(x.opened(), x.n)?), k: x.k, f: x.f }
        }
        Output::Bits(b) => {
            let packed = b.opened.as_ref().ok_or("a party's bits are open")?;
            let [opened, masks] = [packed, &b.masks].map(|buf| -> Result<Vec<u64>> {
                let packed: Vec<u32> = ctx.rec.read_slice(buf, b.words())?;
                Ok((0..b.n).map(|i| b.at(&packed, 0, i).into()).collect())
            });
            // The two parties' masks are added by exclusive or.
            Words { own: masks?, opened: Some(opened?), k: 1, f: 0 }
        }
    })
}

/// The values behind both parties' words.
fn values(client: &Words, server: &Words) -> Vec<f64> {
    let unit = f64::from(client.f).exp2();
    let pairs = client.own.iter().zip(&server.own);
    match (&client.opened, client.k) {
        (None, k) => pairs.map(|(a, b)| signed(a.wrapping_add(*b), k) as f64 / unit).collect(),
        (Some(opened), 1) => pairs.zip(opened).map(|((a, b), c)| (a ^ b ^ c) as f64).collect(),
        (Some(opened), k) => {
            pairs.zip(opened).map(|((a, b), d)| signed(d.wrapping_sub(*a).wrapping_sub(*b), k) as f64 / unit).collect()
        }
    }
}

impl Errors {
    fn add(&mut self, piece: &Piece, got: &[f64]) {
        let places: Box<dyn Iterator<Item = usize>> =
            if piece.at.is_empty() { Box::new(0..got.len()) } else { Box::new(piece.at.iter().copied()) };
        let mut plain = self.plain.unwrap_or(0.0);
        for (j, i) in places.enumerate() {
            let (y, exact) = (got[i], piece.exact[j]);
            let should = piece.plain.as_ref().map_or(exact, |p| p[j]);
            self.count += 1;
            self.secure += (y - exact).powi(2);
            self.squares += exact.powi(2);
            plain += (should - exact).powi(2);
            self.largest = self.largest.max((y - should).abs());
        }
        self.plain = piece.plain.as_ref().map(|_| plain);
    }

    /// A result that is far from what it should be has no figures.
    fn check(&self, op: &dyn Operation) -> Result<()> {
        let bound = self.plain.unwrap_or(0.0) * 2.0 + self.squares * 0.01;
        if self.count > 0 && self.secure <= bound {
            return Ok(());
        }
        let label = op.label();
        let rms = (self.secure / self.count.max(1) as f64).sqrt();
        Err(format!("{} {} computed something else: root mean square error {rms:.2e}", label.op, label.form).into())
    }
}

/// Processor time of this process so far, where the system tells (in steps of 10 ms).
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is a name in brackets that may hold spaces; user and system time are fields 14 and 15.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ticks as f64 / 100.0)
}
