//! A node's edges on one side, found and removed in constant time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use smallvec::SmallVec;

use super::node::NodeId;

/// Up to this many are searched linearly.
const FEW: usize = 16;

/// Neighbours of a node in the order they were added, each with the data of its edge.
///
/// Removing one leaves a hole, so that the others keep their indices, unless it is the last; holes are compacted once
/// there are as many as neighbours.
pub(crate) struct Neighbours<E> {
    /// Most nodes have one, which needs no allocation.
    places: SmallVec<[Option<(NodeId, E)>; 1]>,
    live: usize,
    /// The first index that is not a hole.
    first: usize,
    /// Indices of each neighbour, once there are many.
    index: Option<Box<Index>>,
}

/// Most neighbours have one edge, which needs no allocation.
enum Places {
    One(usize),
    Several(Vec<usize>),
}

#[derive(Default)]
struct Index(HashMap<NodeId, Places>);

impl Index {
    fn push(&mut self, id: NodeId, place: usize) {
        match self.0.entry(id) {
            Entry::Vacant(entry) => drop(entry.insert(Places::One(place))),
            Entry::Occupied(mut entry) => match entry.get_mut() {
                Places::One(first) => {
                    let both = vec![*first, place];
                    entry.insert(Places::Several(both));
                }
                Places::Several(places) => places.push(place),
            },
        }
    }

    fn places(&self, id: NodeId) -> Vec<usize> {
        match self.0.get(&id) {
            None => Vec::new(),
            Some(Places::One(place)) => vec![*place],
            Some(Places::Several(places)) => places.clone(),
        }
    }
}

impl<E> Default for Neighbours<E> {
    fn default() -> Self {
        Self {
            places: SmallVec::new(),
            live: 0,
            first: 0,
            index: None,
        }
    }
}

impl<E> Neighbours<E> {
    pub(crate) fn is_empty(&self) -> bool {
        self.live == 0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (NodeId, &E)> {
        self.places[self.first..]
            .iter()
            .flatten()
            .map(|(id, edge)| (*id, edge))
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = NodeId> {
        self.iter().map(|(id, _)| id)
    }

    /// The first neighbour at or after an index, and the next index.
    pub(crate) fn next(&self, place: usize) -> Option<(NodeId, usize)> {
        let from = place.max(self.first);
        let rest = self.places.get(from..)?.iter();
        rest.zip(from..)
            .find_map(|(slot, at)| slot.as_ref().map(|(id, _)| (*id, at + 1)))
    }

    /// The edges to one neighbour.
    pub(crate) fn edges(&self, id: NodeId) -> impl Iterator<Item = &E> {
        let places = self.places_of(id).into_iter();
        places.filter_map(|at| self.places[at].as_ref().map(|(_, edge)| edge))
    }

    pub(crate) fn edges_mut(&mut self, id: NodeId) -> impl Iterator<Item = &mut E> {
        let slots = self.places.iter_mut().flatten();
        slots.filter(move |(it, _)| *it == id).map(|(_, edge)| edge)
    }

    pub(crate) fn contains(&self, id: NodeId) -> bool {
        match &self.index {
            Some(index) => index.0.contains_key(&id),
            None => self.ids().any(|other| other == id),
        }
    }

    pub(crate) fn push(&mut self, id: NodeId, edge: E) {
        let place = self.places.len();
        self.places.push(Some((id, edge)));
        self.live += 1;
        match &mut self.index {
            Some(index) => index.push(id, place),
            None if place >= FEW => self.reindex(),
            None => {}
        }
    }

    /// Removes the edges to one neighbour; `hole` is called with each index that is empty from now on. Returns the
    /// edges, and whether indices have changed.
    pub(crate) fn remove(&mut self, id: NodeId, mut hole: impl FnMut(usize)) -> (Vec<E>, bool) {
        let mut gone = Vec::new();
        for at in self.places_of(id) {
            if let Some((_, edge)) = self.places[at].take() {
                gone.push(edge);
                hole(at);
            }
        }
        if let Some(index) = &mut self.index {
            index.0.remove(&id);
        }
        self.live -= gone.len();
        while self.places.last().is_some_and(Option::is_none) {
            self.places.pop();
        }
        while self.places.get(self.first).is_some_and(Option::is_none) {
            self.first += 1;
        }
        self.first = self.first.min(self.places.len());
        let is_sparse = !gone.is_empty() && 2 * self.live <= self.places.len();
        if is_sparse {
            self.close_up();
        }
        (gone, is_sparse)
    }

    pub(crate) fn take(&mut self) -> Vec<E> {
        let old = std::mem::take(self);
        old.places
            .into_iter()
            .flatten()
            .map(|(_, edge)| edge)
            .collect()
    }

    /// Moves the edges to one neighbour before the others, each kind in its order.
    pub(crate) fn move_to_first(&mut self, id: NodeId) {
        self.close_up();
        self.places
            .sort_by_key(|slot| slot.as_ref().is_none_or(|(other, _)| *other != id));
        self.reindex();
    }

    /// Compacts the holes.
    pub(crate) fn close_up(&mut self) {
        self.places.retain(|slot| slot.is_some());
        self.first = 0;
        self.reindex();
    }

    fn reindex(&mut self) {
        self.index = None;
        if self.places.len() <= FEW {
            return;
        }
        let mut index = Box::<Index>::default();
        for (at, slot) in self.places.iter().enumerate() {
            if let Some((id, _)) = slot {
                index.push(*id, at);
            }
        }
        self.index = Some(index);
    }

    fn places_of(&self, id: NodeId) -> Vec<usize> {
        if let Some(index) = &self.index {
            return index.places(id);
        }
        let is_it = |slot: &Option<(NodeId, E)>| slot.as_ref().is_some_and(|(it, _)| *it == id);
        let places = self.places.iter().enumerate();
        places
            .filter(|(_, slot)| is_it(slot))
            .map(|(at, _)| at)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn neighbours_behave_like_a_list_of_pairs(steps in prop::collection::vec((0..4_u8, 0..30_u64), 0..200)) {
            let (mut neighbours, mut model) = (Neighbours::default(), Vec::new());
            for (at, (what, id)) in steps.into_iter().enumerate() {
                match what {
                    0 => {
                        let (gone, _) = neighbours.remove(id, |_| ());
                        let expected: Vec<_> = model.extract_if(.., |(it, _)| *it == id).collect();
                        prop_assert_eq!(gone, expected.iter().map(|(_, e)| *e).collect::<Vec<_>>());
                    }
                    1 => {
                        neighbours.move_to_first(id);
                        model.sort_by_key(|(it, _)| *it != id);
                    }
                    _ => {
                        neighbours.push(id, at);
                        model.push((id, at));
                    }
                }
                let pairs: Vec<_> = neighbours.iter().map(|(id, edge)| (id, *edge)).collect();
                prop_assert_eq!(&pairs, &model);
                prop_assert_eq!(neighbours.is_empty(), model.is_empty());
                prop_assert_eq!(neighbours.contains(id), model.iter().any(|(it, _)| *it == id));
                let (mut place, mut ids) = (0, Vec::new());
                while let Some((id, behind)) = neighbours.next(place) {
                    ids.push(id);
                    place = behind;
                }
                prop_assert_eq!(ids, model.iter().map(|(id, _)| *id).collect::<Vec<_>>());
            }
        }
    }
}
