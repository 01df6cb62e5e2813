//! Three roles in one process, for tests and benches: threads, in-process channels, one device each.
//!
//! ```no_run
//! # use masque_engine::{testing::World, protocol::{open, Share}};
//! let world = World::new(7);
//! let out = world.run(|w, ctx| {
//!     let x = w.share(ctx, "x", &[1, 2, 3], 40, 0)?;
//!     open(ctx, &x, 0, 40)
//! });
//! ```

use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::correlated::{Key, Scope};
use crate::gpu::{AdapterChoice, Form, Gpu, Recorder};
use crate::net::{self, Channel};
use crate::protocol::{Cost, Ctx, Error, Links, Role, Share, Wire};

/// Shared set-up of a three-role run. All secrets come from one printed seed; masks from keys derived from it.
pub struct World {
    seed: u64,
    gpu: Arc<Gpu>,
    wrap: Option<Wrap>,
    stall: Duration,
}

type Wrap = Arc<dyn Fn(Role, Box<dyn Channel>) -> Box<dyn Channel> + Send + Sync>;

/// What the two parties and the dealer returned, and what they counted.
pub struct Outcome<T> {
    /// The client's result.
    pub client: T,
    /// The server's result.
    pub server: T,
    /// The dealer's result.
    pub dealer: T,
    /// Counted by the client.
    pub cost: Cost,
}

impl World {
    /// A world on the default adapter; the seed is printed and shows up where a test fails.
    pub fn new(seed: u64) -> Self {
        Self::with_form(seed, None)
    }

    /// A world with a given kernel form.
    pub fn with_form(seed: u64, form: Option<Form>) -> Self {
        Self::limited(seed, form, u64::MAX)
    }

    /// A world on whose device weights may keep so many bytes.
    pub fn holding(seed: u64, weights: u64) -> Self {
        println!("world seed {seed}, weights keep {weights} bytes");
        let choice = AdapterChoice { weights: Some(weights), ..AdapterChoice::default() };
        Self { seed, gpu: Gpu::open(&choice).expect("an adapter"), wrap: None, stall: Duration::from_secs(60) }
    }

    /// A world whose kernels see no more than `max_binding` bytes of a buffer.
    pub fn limited(seed: u64, form: Option<Form>, max_binding: u64) -> Self {
        println!("world seed {seed}, form {form:?}");
        let gpu =
            Gpu::open_limited(&AdapterChoice { form, ..AdapterChoice::default() }, max_binding).expect("an adapter");
        Self { seed, gpu, wrap: None, stall: Duration::from_secs(60) }
    }

    /// Another world on the same device, whose kernels need not be compiled again.
    pub fn beside(&self, seed: u64) -> Self {
        println!("world seed {seed}, as before");
        Self { seed, gpu: self.gpu.clone(), wrap: None, stall: self.stall }
    }

    /// Wraps every end of every channel, to record, delay or damage messages. The role is the one that holds the end,
    /// [`Channel::peer`] says to whom it leads.
    pub fn wrapped(mut self, f: impl Fn(Role, Box<dyn Channel>) -> Box<dyn Channel> + Send + Sync + 'static) -> Self {
        self.wrap = Some(Arc::new(f));
        self
    }

    /// How long a role waits for a message (60 s otherwise).
    pub fn stalling(mut self, stall: Duration) -> Self {
        self.stall = stall;
        self
    }

    /// The device.
    pub fn gpu(&self) -> Arc<Gpu> {
        self.gpu.clone()
    }

    /// A generator for test inputs.
    pub fn rng(&self, label: &str) -> ChaCha20Rng {
        let mut s = [0u8; 32];
        s[..8].copy_from_slice(&self.seed.to_le_bytes());
        for (i, b) in label.bytes().enumerate() {
            s[8 + i % 24] ^= b.wrapping_mul(i as u8 + 1);
        }
        ChaCha20Rng::from_seed(s)
    }

    /// Shares of plain integers, uniformly random; every role calls it.
    pub fn share(&self, ctx: &mut Ctx, label: &str, values: &[i64], k: u32, f: u32) -> Result<Share, Error> {
        let mut rng = self.rng(label);
        let masks: Vec<u64> = values.iter().map(|_| rng.next_u64()).collect();
        let words: Option<Vec<u64>> = match ctx.role {
            Role::Client => Some(masks),
            Role::Server => Some(values.iter().zip(&masks).map(|(v, m)| (*v as u64).wrapping_sub(*m)).collect()),
            Role::Dealer => None,
        };
        let buf = words.map(|w| ctx.rec.upload_slice(&w)).transpose()?;
        Ok(Share { n: values.len(), k, f, buf })
    }

    /// Runs the same program at all three roles.
    ///
    /// # Panics
    /// If a role fails.
    pub fn run<T: Send>(&self, program: impl Fn(&World, &mut Ctx) -> Result<T, Error> + Sync) -> Outcome<T> {
        let r = self.try_run(program);
        let [c, s, d] = r.map(|r| r.unwrap_or_else(|e| panic!("seed {}: {e}", self.seed)));
        Outcome { client: c.0, server: s.0, dealer: d.0, cost: c.1 }
    }

    /// Runs the same program at all three roles and returns each one's result or error.
    pub fn try_run<T: Send>(
        &self,
        program: impl Fn(&World, &mut Ctx) -> Result<T, Error> + Sync,
    ) -> [Result<(T, Cost), Error>; 3] {
        self.roles(|w, mut ctx| {
            let out = program(w, &mut ctx)?;
            ctx.finish()?;
            Ok((out, ctx.cost()))
        })
    }

    /// As [`World::run`], for programs that take over their role's state, finish it themselves, and return what they like:
    /// results of client, server, dealer.
    ///
    /// # Panics
    /// If a role fails.
    pub fn run_into<T: Send>(&self, program: impl Fn(&World, Ctx) -> Result<T, Error> + Sync) -> [T; 3] {
        self.roles(program).map(|r| r.unwrap_or_else(|e| panic!("seed {}: {e}", self.seed)))
    }

    fn roles<T: Send>(&self, program: impl Fn(&World, Ctx) -> Result<T, Error> + Sync) -> [Result<T, Error>; 3] {
        let opts = net::TcpOptions { stall: self.stall, ..net::TcpOptions::default() };
        let (c, s) = net::pair_with("client", "server", &opts);
        let (ds, sd) = net::pair_with("dealer", "server", &opts);
        let wrap = |role, ch: Box<dyn Channel>| match &self.wrap {
            Some(w) => w(role, ch),
            None => ch,
        };
        let links = [
            (Role::Client, Links { peer: Some(wrap(Role::Client, c)), corrections: None }),
            (Role::Server, Links { peer: Some(wrap(Role::Server, s)), corrections: Some(wrap(Role::Server, sd)) }),
            (Role::Dealer, Links { peer: None, corrections: Some(wrap(Role::Dealer, ds)) }),
        ];
        std::thread::scope(|scope| {
            let handles = links.map(|(role, links)| {
                let program = &program;
                scope.spawn(move || {
                    let keys = [Role::Client, Role::Server].map(|owner| {
                        (role == owner || role == Role::Dealer).then(|| Key::for_tests(self.seed, owner as u8))
                    });
                    let mut ctx = Ctx::new(role, Recorder::new(self.gpu.clone()), links, keys)?;
                    ctx.enter(Scope::default());
                    program(self, ctx)
                })
            });
            handles.map(|h| h.join().expect("role thread"))
        })
    }
}

/// Reads this role's words (none at the dealer).
pub fn words(ctx: &mut Ctx, x: &Share) -> Result<Vec<u64>, Error> {
    match &x.buf {
        Some(b) => Ok(ctx.rec.read_slice(b, x.n)?),
        None => Ok(vec![]),
    }
}

/// Reads a wire's opened words (none at the dealer) and this role's mask words.
pub fn wire_words(ctx: &mut Ctx, x: &Wire) -> Result<(Vec<u64>, Vec<u64>), Error> {
    let lam = ctx.rec.read_slice(&x.lam, x.n)?;
    let delta = match &x.delta {
        Some(d) => ctx.rec.read_slice(d, x.n)?,
        None => vec![],
    };
    Ok((delta, lam))
}

/// Sign-extends the low `k` bits.
pub fn signed(v: u64, k: u32) -> i64 {
    ((v << (64 - k)) as i64) >> (64 - k)
}

/// The values behind two parties' share words.
pub fn reconstruct(client: &[u64], server: &[u64], k: u32) -> Vec<i64> {
    client.iter().zip(server).map(|(a, b)| signed(a.wrapping_add(*b), k)).collect()
}
