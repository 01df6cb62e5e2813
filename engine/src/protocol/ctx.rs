//! What a protocol sees of its role: a device, streams of masks, its peers, and counters.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::dealt::{Dealt, Outbox};
use super::lanes::Lanes;
use super::local::rounding;
use super::observed::Observed;
use super::{Cost, Error, packed_bytes};
use crate::correlated::{Key, Scope, elements_of_block};
use crate::gpu::{Buf, Kernel, Recorder};
use crate::net::{Address, Channel, NetError, Role};
use crate::trace::Place;
use crate::{args, streams};

/// Connections of a role. The client has no use for the dealer after the keys; the server reads corrections from it.
pub struct Links {
    /// The other computing party (none at the dealer).
    pub peer: Option<Box<dyn Channel>>,
    /// The dealer (server), or the server (dealer).
    pub corrections: Option<Box<dyn Channel>>,
}

impl Links {
    fn peer(&self) -> &dyn Channel {
        self.peer.as_deref().expect("a party has a peer")
    }

    fn corrections(&self) -> &dyn Channel {
        self.corrections.as_deref().expect("the server hears the dealer")
    }
}

/// State of one role during a run.
pub struct Ctx {
    /// Role played.
    pub role: Role,
    /// The device.
    pub rec: Recorder,
    links: Arc<Links>,
    keys: Buf,
    pub(super) scope: Scope,
    draws: u16,
    messages: u16,
    /// Largest number of a tile of this step so far.
    pub(super) tiles: u16,
    drawn: HashSet<(Scope, u16)>,
    cost: Cost,
    pub(super) wait: Duration,
    pub(super) lanes: Lanes,
    /// Who looks on, and what is counted by itself.
    pub(super) observed: Observed,
    outbox: Outbox,
}

impl Ctx {
    /// Joins a session. `keys` holds the keys this role knows: its own, or both at the dealer.
    pub fn new(role: Role, rec: Recorder, links: Links, keys: [Option<Key>; 2]) -> Result<Self, Error> {
        let mut words = [0u32; 16];
        for (i, k) in keys.iter().enumerate() {
            if let Some(k) = k {
                words[8 * i..8 * i + 8].copy_from_slice(&k.words());
            }
        }
        let keys = rec.upload_slice(&words)?;
        Ok(Self::at(role, rec, Arc::new(links), keys, Scope::default()))
    }

    /// A role that has done nothing yet.
    fn at(role: Role, rec: Recorder, links: Arc<Links>, keys: Buf, scope: Scope) -> Self {
        Self {
            role,
            rec,
            links,
            keys,
            scope,
            draws: 0,
            messages: 0,
            tiles: 0,
            drawn: HashSet::new(),
            cost: Cost::default(),
            wait: Duration::ZERO,
            lanes: Lanes::default(),
            observed: Observed::default(),
            outbox: Outbox::default(),
        }
    }

    /// The same role for another thread, which enters tiles of the same step. For parties.
    pub(super) fn beside(&self, rec: Recorder) -> Self {
        let other = Self::at(self.role, rec, self.links.clone(), self.keys.clone(), self.scope);
        Self { observed: self.observed.beside(), ..other }
    }

    /// Takes over what the role did in another thread; returns that one's recorder.
    pub(super) fn rejoin(&mut self, mut other: Self) -> Result<Recorder, Error> {
        self.rec.rejoin(&mut other.rec)?;
        self.cost = self.cost + other.cost;
        self.wait += other.wait;
        self.observed.add(&other.observed);
        for (scope, purpose) in other.drawn {
            self.drawn_at(scope, purpose);
        }
        Ok(other.rec)
    }

    /// Moves to a step. Each (evaluation, node, tile) may be entered once.
    pub fn enter(&mut self, scope: Scope) {
        self.scope = scope;
        self.draws = 0;
        self.messages = 0;
        self.tiles = scope.tile;
    }

    /// Does a part of the current step under addresses of its own.
    pub(super) fn tile<T>(&mut self, tile: u16, part: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        let before = (self.scope, self.draws, self.messages);
        self.enter(Scope { tile, ..self.scope });
        let out = self.step_begins().and_then(|()| part(self));
        (self.scope, self.draws, self.messages) = before;
        out
    }

    /// 1 at the party that adds public terms.
    pub fn first(&self) -> u32 {
        u32::from(self.role == Role::Client)
    }

    /// Whether this role holds shares.
    pub fn is_party(&self) -> bool {
        self.role != Role::Dealer
    }

    /// Bytes and rounds so far.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// Time spent waiting for messages so far. While several tiles are in flight, that is when all of them wait.
    pub fn waited(&self) -> Duration {
        self.wait
    }

    /// The address of masks that kernels draw themselves, from [`Ctx::keys`].
    pub(super) fn mask_address(&mut self) -> [u32; 3] {
        self.draw()
    }

    /// The keys this role knows, as kernels read them.
    pub(super) fn keys(&self) -> Buf {
        self.keys.clone()
    }

    /// The next stream address. Debug builds check that none is used twice.
    fn draw(&mut self) -> [u32; 3] {
        let purpose = self.draws;
        self.draws = self.draws.checked_add(1).expect("fewer than 65536 draws a step");
        if cfg!(debug_assertions) {
            self.drawn_at(self.scope, purpose);
        }
        [self.scope.eval, self.scope.node, u32::from(self.scope.tile) << 16 | u32::from(purpose)]
    }

    fn drawn_at(&mut self, scope: Scope, purpose: u16) {
        assert!(self.drawn.insert((scope, purpose)), "stream {scope:?}/{purpose} drawn twice");
    }

    fn message(&mut self) -> Address {
        let purpose = self.messages;
        self.messages = self.messages.checked_add(1).expect("fewer than 65536 messages a step");
        Address { eval: self.scope.eval, node: self.scope.node, tile: self.scope.tile, purpose }
    }

    /// Truncates a share, masks it and packs it (`open.wgsl`); returns the mask and the message.
    /// `owner_only`: the mask is subtracted and belongs to this party alone.
    pub fn seal(&mut self, x: &Buf, n: usize, from: u32, shift: u32, k: u32, minus: bool) -> Result<(Buf, Buf), Error> {
        let nonce = self.draw();
        self.seal_at(nonce, (x, n, from), shift, k, minus)
    }

    /// As [`Ctx::seal`], with the masks at an address.
    pub(super) fn seal_at(
        &mut self,
        [n0, n1, n2]: [u32; 3],
        (x, n, from): (&Buf, usize, u32),
        shift: u32,
        k: u32,
        minus: bool,
    ) -> Result<(Buf, Buf), Error> {
        let kernel = if minus { Kernel::new("open").with("MINUS") } else { Kernel::new("open") }.bits(k);
        let (lam, msg) = (self.rec.words(n)?, self.packed(n, k)?);
        let keys = self.keys.clone();
        let add = rounding(self, shift);
        let per = elements_of_block(k);
        self.rec.run_each(
            &kernel,
            args![k: k, from_: from, shift: shift, key: 1 - self.first(), n0: n0, n1: n1, n2: n2, add: add],
            streams![keys: &keys => 0, x: x => 8 * per, lam: &lam => 8 * per, msg: &msg => k as usize * per / 8],
            (n, per),
        )?;
        Ok((lam, msg))
    }

    /// Sends own messages and receives the peer's, all in one round. Lengths are in bytes.
    pub fn exchange(&mut self, messages: &[(&Buf, u64)]) -> Result<Vec<Buf>, Error> {
        let what: Vec<(&Buf, usize)> = messages.iter().map(|(b, n)| (*b, *n as usize)).collect();
        let bytes = self.rec.read_joined(&what)?;
        let at = self.message();
        let total = bytes.len() as u64;
        let got = self.waiting("exchange", at, total, |links| {
            let peer = links.peer();
            peer.send(at, bytes)?;
            peer.recv(at)
        })?;
        self.checked(at, &got, total)?;
        self.cost = self.cost + Cost { to_server: total, to_client: total, offline: 0, half_rounds: 2 };
        let mut rest = &got[..];
        let mut out = Vec::with_capacity(messages.len());
        for (_, n) in messages {
            let (head, tail) = rest.split_at(*n as usize);
            out.push(self.rec.upload(head)?);
            rest = tail;
        }
        Ok(out)
    }

    /// A message from the client to the server alone; the server gets it as a buffer.
    pub fn client_to_server(&mut self, message: Option<&Buf>, bytes: u64) -> Result<Option<Buf>, Error> {
        self.cost = self.cost + Cost { to_server: bytes, half_rounds: 1, ..Cost::default() };
        self.one_way(message, bytes)
    }

    /// A message from the server to the client alone; the client gets it as a buffer.
    pub fn server_to_client(&mut self, message: Option<&Buf>, bytes: u64) -> Result<Option<Buf>, Error> {
        self.cost = self.cost + Cost { to_client: bytes, half_rounds: 1, ..Cost::default() };
        self.one_way(message, bytes)
    }

    fn one_way(&mut self, message: Option<&Buf>, bytes: u64) -> Result<Option<Buf>, Error> {
        let at = self.message();
        match message {
            Some(b) => {
                let data = self.rec.read(&[(b, bytes as usize)])?.remove(0);
                self.links.peer().send(at, data)?;
                Ok(None)
            }
            None => {
                let data = self.waiting("one way", at, bytes, |links| links.peer().recv(at))?;
                self.checked(at, &data, bytes)?;
                Ok(Some(self.rec.upload(&data)?))
            }
        }
    }

    /// Waits for another role.
    fn waiting<T>(
        &mut self,
        what: &'static str,
        at: Address,
        bytes: u64,
        wait: impl FnOnce(&Links) -> Result<T, NetError>,
    ) -> Result<T, Error> {
        let start = Instant::now();
        let out = self.lanes.idle(|| wait(&self.links))?;
        self.wait += start.elapsed();
        self.rec.note(Place::Network, what, Some(at), bytes, start);
        Ok(out?)
    }

    fn checked(&self, at: Address, data: &[u8], expected: u64) -> Result<(), Error> {
        if data.len() as u64 == expected {
            return Ok(());
        }
        Err(Error::Length { at, expected, got: data.len() as u64 })
    }

    /// Shares of a value the dealer knows, `n` words of `k` bits: the client's from its stream, the server's as a
    /// correction. `target` is called at the dealer only. Parties get their share, the dealer nothing.
    pub fn deal(
        &mut self,
        n: usize,
        k: u32,
        target: impl FnOnce(&mut Recorder) -> Result<Buf, Error>,
    ) -> Result<Option<Buf>, Error> {
        let dealt = self.deal_packed(n, k, |ctx, [n0, n1, n2], msg| {
            let c = target(&mut ctx.rec)?;
            let kernel = Kernel::new("deal").bits(k);
            let keys = ctx.keys.clone();
            let (args, per) = (args![k: k, n0: n0, n1: n1, n2: n2], elements_of_block(k));
            let streams = streams![keys: &keys => 0, c: &c => 8 * per, msg: msg => k as usize * per / 8];
            Ok(ctx.rec.run_each(&kernel, args, streams, (n, per))?)
        })?;
        match dealt {
            Some(Dealt::Stream(nonce)) => self.stream(n, k, 0, nonce).map(Some),
            Some(Dealt::Packed(msg)) => self.unpack(&msg, n, k).map(Some),
            None => Ok(None),
        }
    }

    /// As [`Ctx::deal`] for kernels that draw and pack themselves: at the dealer `make` gets the address of the client's
    /// stream and the message to fill, the value less that stream; parties get what their kernels read.
    pub(super) fn deal_packed(
        &mut self,
        n: usize,
        k: u32,
        make: impl FnOnce(&mut Self, [u32; 3], &Buf) -> Result<(), Error>,
    ) -> Result<Option<Dealt>, Error> {
        let dealt = self.deal_together([(n, k)], |ctx, [nonce], [msg]| make(ctx, nonce, msg))?;
        Ok(dealt.map(|[dealt]| dealt))
    }

    /// As [`Ctx::deal_packed`], several values of (words, bits) that one kernel makes.
    pub(super) fn deal_together<const N: usize>(
        &mut self,
        what: [(usize, u32); N],
        make: impl FnOnce(&mut Self, [[u32; 3]; N], [&Buf; N]) -> Result<(), Error>,
    ) -> Result<Option<[Dealt; N]>, Error> {
        let nonces = what.map(|_| self.draw());
        let bytes = what.map(|(n, k)| packed_bytes(n, k));
        let at = nonces.map(|[eval, node, n2]| Address { eval, node, tile: (n2 >> 16) as u16, purpose: n2 as u16 });
        self.cost.offline += bytes.iter().sum::<u64>();
        match self.role {
            Role::Client => Ok(Some(nonces.map(Dealt::Stream))),
            Role::Dealer => {
                let msgs = what.iter().map(|(n, k)| self.packed(*n, *k)).collect::<Result<Vec<_>, _>>()?;
                make(self, nonces, std::array::from_fn(|i| &msgs[i]))?;
                for ((at, msg), bytes) in at.into_iter().zip(msgs).zip(bytes) {
                    self.outbox.add(at, msg, bytes as usize);
                }
                if self.outbox.is_full() {
                    self.turn_corrections()?;
                }
                Ok(None)
            }
            Role::Server => {
                let mut got = Vec::with_capacity(N);
                for (at, bytes) in at.into_iter().zip(bytes) {
                    let data = self.waiting("corrections", at, bytes, |links| links.corrections().recv(at))?;
                    self.checked(at, &data, bytes)?;
                    got.push(Dealt::Packed(self.rec.upload(&data)?));
                }
                Ok(Some(std::array::from_fn(|i| got[i].clone())))
            }
        }
    }

    /// At the dealer: sends everything that was dealt. A bounded queue behind the channel makes the dealer wait for a server
    /// that lags.
    pub fn send_corrections(&mut self) -> Result<(), Error> {
        self.turn_corrections()?;
        self.turn_corrections()
    }

    fn turn_corrections(&mut self) -> Result<(), Error> {
        let ready = self.outbox.turn(&mut self.rec)?;
        let Some((first, _)) = ready.first() else { return Ok(()) };
        let (first, bytes) = (*first, ready.iter().map(|(_, data)| data.len() as u64).sum());
        self.waiting("corrections", first, bytes, |links| {
            ready.into_iter().try_for_each(|(at, data)| links.corrections().send(at, data))
        })
    }

    /// Ends a run: nothing stays queued.
    pub fn finish(&mut self) -> Result<(), Error> {
        self.send_corrections()?;
        self.rec.flush()?;
        for c in [&self.links.peer, &self.links.corrections].into_iter().flatten() {
            c.flush()?;
        }
        Ok(())
    }

    /// The channel to the other party, for set-up messages.
    pub fn peer(&self) -> Option<&dyn Channel> {
        self.links.peer.as_deref()
    }
}
