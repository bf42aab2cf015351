use std::any::Any;

use super::{Lane, Lanes};
use crate::ack::discarding;
use crate::debug::shows;
use crate::{Acks, Arrival, Element, InletKey, Lease};

/// The inlets of an [`OpenJoin`](crate::OpenJoin), for [`Zip`](super::Zip), [`CombineLatest`](super::CombineLatest) and
/// [`ZipLatest`](super::ZipLatest): their outputs are vectors with one element of each existing inlet.
pub struct OpenLanes<T> {
    /// Ascending; each is the number of the lane with the same index.
    keys: Vec<InletKey>,
    lanes: Vec<Lane<T>>,
    /// The inlet that has just been removed, and its index.
    gone: Option<(usize, Lane<T>)>,
}

shows!([T] OpenLanes<T> { keys });

impl<T: Element> OpenLanes<T> {
    /// Creates lanes without inlets.
    pub fn new() -> Self {
        Self {
            keys: Vec::new(),
            lanes: Vec::new(),
            gone: None,
        }
    }

    /// The elements waiting at each inlet, or the literal there, in the order of the inlets.
    pub fn elements(&self) -> impl Iterator<Item = Vec<&T>> {
        self.lanes.iter().map(Lane::elements)
    }

    /// Whether each inlet is a literal, in the order of the inlets.
    pub fn literals(&self) -> impl Iterator<Item = bool> {
        self.lanes.iter().map(Lane::is_literal)
    }

    fn add(&mut self, key: InletKey, lane: Lane<T>) {
        // Two threads that attach may overtake each other.
        let place = self.keys.partition_point(|other| *other < key);
        self.keys.insert(place, key);
        self.lanes.insert(place, lane);
    }
}

impl<T: Element> Default for OpenLanes<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Element> Lanes for OpenLanes<T> {
    type Item = Arrival<T>;
    type Row = Vec<T>;

    fn count(&self) -> usize {
        self.lanes.len()
    }

    fn admit(&mut self, item: &Arrival<T>) -> Option<usize> {
        match item {
            Arrival::Element(key, _) => self.keys.binary_search(key).ok(),
            Arrival::Joined(key) => {
                self.add(*key, Lane::new());
                None
            }
            Arrival::Literal(key, value) => {
                self.add(*key, Lane::literal(value.clone()));
                None
            }
            Arrival::Left(key) => {
                if let Ok(place) = self.keys.binary_search(key) {
                    self.keys.remove(place);
                    self.gone = Some((place, self.lanes.remove(place)));
                }
                None
            }
        }
    }

    fn push(&mut self, item: Arrival<T>, lease: Lease) {
        if let Arrival::Element(key, x) = item
            && let Ok(lane) = self.keys.binary_search(&key)
        {
            self.lanes[lane].push(x, lease);
        }
    }

    fn waiting(&self, lane: usize) -> usize {
        self.lanes.waiting(lane)
    }

    fn is_ready(&self, lane: usize) -> bool {
        self.lanes.is_ready(lane)
    }

    fn pop(&mut self) -> Option<(Vec<T>, Acks)> {
        // Literals alone make no row.
        if self.total() == 0 {
            return None;
        }
        Lanes::pop(&mut self.lanes)
    }

    fn first(&self) -> Option<(Vec<T>, Acks)> {
        Lanes::first(&self.lanes)
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.lanes.traverse(visit);
    }

    fn drop_first(&mut self, lane: usize) {
        self.lanes.drop_first(lane);
    }

    fn withdraw(&mut self) {
        self.lanes.withdraw();
    }

    fn accept(&mut self, lane: usize, place: usize) {
        Lanes::accept(&mut self.lanes, lane, place);
    }

    fn drop_gone(&mut self, is_lost: impl FnOnce(usize) -> bool) {
        match self.gone.take() {
            Some((place, lane)) if is_lost(place) => discarding(|| drop(lane)),
            gone => drop(gone),
        }
    }

    fn number(&self, lane: usize) -> usize {
        self.keys[lane].number()
    }

    fn may_have(&self, _: usize) -> bool {
        true
    }
}
