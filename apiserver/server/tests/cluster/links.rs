//! Stands between every member and every other: a member's address, as the others know it, is a door of ours, behind which
//! lies the road from whoever knocks to that member. They talk to each other by it, clients and their watches do not.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;
use triad_fault::Dice;

use crate::road::{Road, Weather, join};

/// How long the member behind a door may take to open: callers give up sooner.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// Where one member is found.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Where it listens, and what its calls come from.
    pub(crate) own: SocketAddr,
    /// Where the others find it.
    pub(crate) door: SocketAddr,
    /// What its calls come from as those that it calls see them.
    pub(crate) alias: IpAddr,
}

pub(crate) struct Links {
    map: Arc<Map>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Map {
    places: Vec<Place>,
    /// From the first member, to the second.
    roads: Vec<Vec<Road>>,
    seed: u64,
}

impl Links {
    /// Opens all doors. They are looked after by a thread of their own, so that nothing else delays what passes.
    pub(crate) fn lay(places: Vec<Place>, seed: u64) -> Self {
        let row = |_| places.iter().map(|_| Road::new()).collect();
        let roads = places.iter().map(row).collect();
        let map = Arc::new(Map {
            places,
            roads,
            seed,
        });
        let (end, ended) = oneshot::channel();
        let (open, opened) = std::sync::mpsc::channel();
        let watched = map.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                for called in 0..watched.places.len() {
                    let door = TcpListener::bind(watched.places[called].door).await;
                    tokio::spawn(attend(watched.clone(), called, door.unwrap()));
                }
                open.send(()).unwrap();
                // An error is that the links are gone, which is the end too.
                let _ = ended.await;
            });
        });
        opened.recv().unwrap();
        Self {
            map,
            end: Some(end),
            thread: Some(thread),
        }
    }

    pub(crate) fn set(&self, from: usize, to: usize, weather: Weather) {
        self.map.roads[from][to].set(weather);
    }

    pub(crate) fn clear(&self) {
        for road in self.map.roads.iter().flatten() {
            road.set(Weather::default());
        }
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

async fn attend(map: Arc<Map>, called: usize, door: TcpListener) {
    let mut calls = 0;
    loop {
        let Ok((stream, from)) = door.accept().await else {
            continue;
        };
        let Some(caller) = map.places.iter().position(|p| p.own.ip() == from.ip()) else {
            continue;
        };
        calls += 1;
        let mut dice = Dice::new(map.seed ^ (caller << 8 | called) as u64);
        let dice = Dice::new(dice.roll().wrapping_add(calls));
        let map = map.clone();
        tokio::spawn(async move {
            // One that is not there is told by the end of the connection.
            if let Ok(Ok(behind)) = timeout(CONNECT_LIMIT, reach(&map, caller, called)).await {
                let roads = (&map.roads[caller][called], &map.roads[called][caller]);
                let _ = (stream.set_nodelay(true), behind.set_nodelay(true));
                join((stream, behind), roads, dice).await;
            }
        });
    }
}

/// Calls a member in another's name.
async fn reach(map: &Map, caller: usize, called: usize) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(map.places[caller].alias, 0))?;
    socket.connect(map.places[called].own).await
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn place(n: u8, port: u16) -> Place {
        let ip = |a| IpAddr::from([127, 7, a, n]);
        Place {
            own: SocketAddr::new(ip(0), port),
            door: SocketAddr::new(ip(1), port),
            alias: ip(2),
        }
    }

    /// Calls one member as another; what it answers, after how long, and whom it saw.
    async fn call(places: &[Place], from: usize, to: usize) -> Option<(Duration, IpAddr)> {
        let listener = TcpListener::bind(places[to].own).await.unwrap();
        let began = Instant::now();
        let called = async {
            let (mut stream, from) = listener.accept().await.ok()?;
            stream.write_all(b"answer").await.ok()?;
            Some(from.ip())
        };
        let caller = async {
            let socket = TcpSocket::new_v4().unwrap();
            socket
                .bind(SocketAddr::new(places[from].own.ip(), 0))
                .unwrap();
            let mut stream = socket.connect(places[to].door).await.ok()?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.ok()?;
            (answer == b"answer").then(|| began.elapsed())
        };
        let (seen, taken) = tokio::join!(called, caller);
        Some((taken?, seen?))
    }

    #[tokio::test]
    async fn each_way_has_its_own_weather_and_callers_are_told_apart() {
        // A port that is free where members listen is free at their doors too.
        let free = std::net::TcpListener::bind("127.7.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let places: Vec<Place> = (1..=3).map(|n| place(n, port)).collect();
        let links = Links::lay(places.clone(), 1);
        let slow = Weather {
            delay_ms: 5000,
            ..Weather::default()
        };
        // The answer takes the way back.
        links.set(1, 0, slow);
        let limit = Duration::from_secs(5);
        for (from, to) in [(0, 1), (0, 2), (1, 2), (2, 1), (2, 0)] {
            let (taken, seen) = call(&places, from, to).await.unwrap();
            assert_eq!(seen, places[from].alias);
            assert_eq!(
                taken >= limit,
                (from, to) == (0, 1),
                "{from} {to} {taken:?}"
            );
        }
        links.clear();
        assert!(call(&places, 0, 1).await.unwrap().0 < limit);
    }
}
