//! Corrections that reach the server before it needs them, so that offline and online phase can be timed apart.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use masque_engine::net::{Address, Channel, Counters, Link, NetError};

/// A dealer-to-server connection whose messages can be laid in stock.
pub struct Stock {
    shelf: Arc<Shelf>,
    sent: mpsc::Receiver<Option<Address>>,
}

/// The dealer's side: says which messages are on their way.
pub struct Announcer {
    to: mpsc::Sender<Option<Address>>,
    on: Arc<AtomicBool>,
}

struct Shelf {
    inner: Box<dyn Channel>,
    messages: Mutex<VecDeque<(Address, Vec<u8>)>>,
}

impl Shelf {
    fn messages(&self) -> MutexGuard<'_, VecDeque<(Address, Vec<u8>)>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Announced {
    inner: Box<dyn Channel>,
    to: mpsc::Sender<Option<Address>>,
    on: Arc<AtomicBool>,
}

struct Stocked(Arc<Shelf>);

/// Wraps both ends of a connection: channels for dealer and server, and what controls them.
pub fn stocked(
    dealer: Box<dyn Channel>,
    server: Box<dyn Channel>,
) -> (Box<dyn Channel>, Box<dyn Channel>, Announcer, Stock) {
    let (to, sent) = mpsc::channel();
    let on = Arc::new(AtomicBool::new(false));
    let shelf = Arc::new(Shelf { inner: server, messages: Mutex::default() });
    let announcer = Announcer { to: to.clone(), on: on.clone() };
    let stock = Stock { shelf: shelf.clone(), sent };
    (Box::new(Announced { inner: dealer, to, on }), Box::new(Stocked(shelf)), announcer, stock)
}

impl Announcer {
    /// From now on messages are announced.
    pub fn begin(&self) {
        self.on.store(true, Ordering::SeqCst);
    }

    /// There is nothing more to lay in stock.
    pub fn end(&self) {
        self.on.store(false, Ordering::SeqCst);
        let _ = self.to.send(None);
    }
}

impl Stock {
    /// Takes every announced message off the connection.
    pub fn fill(&self) -> std::result::Result<(), NetError> {
        while let Ok(Some(at)) = self.sent.recv() {
            let message = self.shelf.inner.recv(at)?;
            self.shelf.messages().push_back((at, message));
        }
        Ok(())
    }

    /// What came over the connection so far.
    pub fn counters(&self) -> Counters {
        self.shelf.inner.counters()
    }
}

impl Channel for Announced {
    fn send(&self, at: Address, payload: Vec<u8>) -> std::result::Result<(), NetError> {
        self.inner.send(at, payload)?;
        if self.on.load(Ordering::SeqCst) {
            let _ = self.to.send(Some(at));
        }
        Ok(())
    }

    fn recv(&self, at: Address) -> std::result::Result<Vec<u8>, NetError> {
        self.inner.recv(at)
    }

    fn flush(&self) -> std::result::Result<(), NetError> {
        self.inner.flush()
    }

    fn counters(&self) -> Counters {
        self.inner.counters()
    }

    fn peer(&self) -> &str {
        self.inner.peer()
    }

    fn shape(&self, link: Link) {
        self.inner.shape(link);
    }
}

impl Channel for Stocked {
    fn send(&self, at: Address, payload: Vec<u8>) -> std::result::Result<(), NetError> {
        self.0.inner.send(at, payload)
    }

    /// The tile's next message from the stock, and from the connection when that is empty.
    fn recv(&self, at: Address) -> std::result::Result<Vec<u8>, NetError> {
        let next = {
            let mut messages = self.0.messages();
            let tile = |a: Address| (a.eval, a.node, a.tile);
            let of_tile = messages.iter().position(|(got, _)| tile(*got) == tile(at));
            messages.remove(of_tile.unwrap_or(0))
        };
        match next {
            Some((got, message)) if got == at => Ok(message),
            Some((got, _)) => Err(NetError::Address { peer: self.0.inner.peer().to_owned(), expected: at, got }),
            None => self.0.inner.recv(at),
        }
    }

    fn flush(&self) -> std::result::Result<(), NetError> {
        self.0.inner.flush()
    }

    fn counters(&self) -> Counters {
        self.0.inner.counters()
    }

    fn peer(&self) -> &str {
        "dealer"
    }

    fn shape(&self, link: Link) {
        self.0.inner.shape(link);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use masque_engine::net::pair;

    #[test]
    fn messages_wait_in_their_order() {
        let at = |purpose| Address { purpose, ..Address::default() };
        let (dealer, server) = pair("dealer", "server");
        let (dealer, server, announcer, stock) = stocked(dealer, server);
        dealer.send(at(0), vec![0]).unwrap();
        assert_eq!(server.recv(at(0)).unwrap(), [0], "before the stock is laid in messages pass");
        announcer.begin();
        for i in 1..4 {
            dealer.send(at(i), vec![i as u8; 10]).unwrap();
        }
        announcer.end();
        stock.fill().unwrap();
        dealer.send(at(4), vec![4]).unwrap();
        assert_eq!(stock.counters().received_payload, 31);
        for i in 1..3 {
            assert_eq!(server.recv(at(i)).unwrap(), [i as u8; 10]);
        }
        assert!(matches!(server.recv(at(9)), Err(NetError::Address { .. })), "a wrong step is noticed");
        assert_eq!(server.recv(at(4)).unwrap(), [4], "then messages pass again");
    }
}
