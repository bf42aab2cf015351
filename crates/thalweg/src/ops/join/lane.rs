//! Queues at the inlets of a join.

use std::any::Any;
use std::collections::VecDeque;

use crate::debug::shows;
use crate::{Acks, Element, Lease};

/// The elements waiting at one inlet, or the literal in its place.
#[derive(Default)]
pub struct Lane<T> {
    waiting: VecDeque<(T, Lease)>,
    literal: Option<T>,
}

shows!([T] Lane<T> {});

impl<T: Element> Lane<T> {
    /// Creates an empty lane.
    pub fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            literal: None,
        }
    }

    /// Creates a lane with a constant.
    pub fn literal(value: T) -> Self {
        Self {
            waiting: VecDeque::new(),
            literal: Some(value),
        }
    }

    pub(super) fn push(&mut self, x: T, lease: Lease) {
        self.waiting.push_back((x, lease));
    }

    pub(super) fn elements(&self) -> Vec<&T> {
        let waiting = self.waiting.iter().map(|(x, _)| x);
        waiting.chain(&self.literal).collect()
    }

    pub(super) fn is_literal(&self) -> bool {
        self.literal.is_some()
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        let waiting = self.waiting.iter().map(|(x, _)| x);
        waiting.chain(&self.literal).for_each(|x| visit(x));
    }

    pub(super) fn withdraw(&mut self) {
        self.waiting.retain(|(_, lease)| lease.stays());
    }

    fn is_ready(&self) -> bool {
        self.literal.is_some() || !self.waiting.is_empty()
    }

    fn pop(&mut self, acks: &mut Vec<Acks>) -> Option<T> {
        match self.waiting.pop_front() {
            Some((x, lease)) => {
                keep(acks, lease.accept());
                Some(x)
            }
            None => self.literal.clone(),
        }
    }

    fn first(&self, acks: &mut Vec<Acks>) -> Option<T> {
        match self.waiting.front() {
            Some((x, lease)) => {
                keep(acks, lease.acks().clone());
                Some(x.clone())
            }
            None => self.literal.clone(),
        }
    }
}

/// Most elements carry no tokens: then nothing has to be collected or allocated.
fn keep(all: &mut Vec<Acks>, acks: Acks) {
    if !acks.is_none() {
        all.push(acks);
    }
}

/// The inlets of a join: a tuple of [`Lane`]s, or a vector of lanes of one type.
pub trait Lanes: Send + 'static {
    /// An element and the inlet it arrived at.
    type Item: Element;
    /// One element of each inlet.
    type Row: Element;

    /// Number of inlets.
    fn count(&self) -> usize;
    /// The inlet of an item. `None` if the item was a change of the inlets, now handled, or if its inlet is gone.
    fn admit(&mut self, item: &Self::Item) -> Option<usize>;
    /// Adds an item to its queue.
    fn push(&mut self, item: Self::Item, lease: Lease);
    /// Number of elements waiting at an inlet.
    fn waiting(&self, lane: usize) -> usize;
    /// Whether an inlet has an element.
    fn is_ready(&self, lane: usize) -> bool;
    /// Takes the first element of each; `None` if one has none.
    fn pop(&mut self) -> Option<(Self::Row, Acks)>;
    /// Clones the first element of each; `None` if one has none.
    fn first(&self) -> Option<(Self::Row, Acks)>;
    /// Drops the first element of an inlet.
    fn drop_first(&mut self, lane: usize);
    /// Releases the emitter of the element at an index of an inlet.
    fn accept(&mut self, lane: usize, place: usize);

    /// Drops elements that wait for room and whose emitters have given up.
    fn withdraw(&mut self);

    /// Drops the elements of an inlet that has just been removed; `is_lost` says, by the index of the inlet, whether
    /// they count as undelivered.
    fn drop_gone(&mut self, is_lost: impl FnOnce(usize) -> bool) {
        let _ = is_lost;
    }

    /// Visits waiting elements and literals.
    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any));

    /// The number of an inlet, which does not change when others are added or removed.
    fn number(&self, lane: usize) -> usize {
        lane
    }

    /// Whether an inlet with this number exists, or may exist later.
    fn may_have(&self, number: usize) -> bool {
        number < self.count()
    }

    /// Number of elements waiting at all inlets.
    fn total(&self) -> usize {
        (0..self.count()).map(|lane| self.waiting(lane)).sum()
    }

    /// Whether all inlets have an element.
    fn all_ready(&self) -> bool {
        (0..self.count()).all(|lane| self.is_ready(lane))
    }
}

/// `self.$i.$call` for the lane with that number.
macro_rules! on_lane {
    ($self:ident, $lane:ident, [$($i:tt)+], |$it:ident| $call:expr, $none:expr) => {
        match $lane {
            $($i => { let $it = &mut $self.$i; $call })+
            _ => $none,
        }
    };
    (ref $self:ident, $lane:ident, [$($i:tt)+], |$it:ident| $call:expr, $none:expr) => {
        match $lane {
            $($i => { let $it = &$self.$i; $call })+
            _ => $none,
        }
    };
}

macro_rules! lanes {
    ($item:ident, $n:literal: $($T:ident $i:tt),+) => {
        #[doc = concat!("An element of a join of ", $n, " inlets.")]
        #[derive(Clone)]
        #[derive(Debug)]
        pub enum $item<$($T),+> {
            $(#[doc = concat!("From inlet ", stringify!($i), ", counted from 0.")] $T($T)),+
        }

        impl<$($T: Element),+> Lanes for ($(Lane<$T>,)+) {
            type Item = $item<$($T),+>;
            type Row = ($($T,)+);

            fn count(&self) -> usize {
                $n
            }

            fn admit(&mut self, item: &Self::Item) -> Option<usize> {
                Some(match item { $($item::$T(_) => $i),+ })
            }

            fn push(&mut self, item: Self::Item, lease: Lease) {
                match item { $($item::$T(x) => self.$i.push(x, lease)),+ }
            }

            fn waiting(&self, lane: usize) -> usize {
                on_lane!(ref self, lane, [$($i)+], |it| it.waiting.len(), 0)
            }

            fn is_ready(&self, lane: usize) -> bool {
                on_lane!(ref self, lane, [$($i)+], |it| it.is_ready(), false)
            }

            fn pop(&mut self) -> Option<(Self::Row, Acks)> {
                if !self.all_ready() {
                    return None;
                }
                let mut acks = Vec::new();
                let row = ($(self.$i.pop(&mut acks)?,)+);
                Some((row, Acks::merge(&acks)))
            }

            fn first(&self) -> Option<(Self::Row, Acks)> {
                let mut acks = Vec::new();
                let row = ($(self.$i.first(&mut acks)?,)+);
                Some((row, Acks::merge(&acks)))
            }

            fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
                $(self.$i.traverse(visit);)+
            }

            fn drop_first(&mut self, lane: usize) {
                on_lane!(self, lane, [$($i)+], |it| drop(it.waiting.pop_front()), ());
            }

            fn withdraw(&mut self) {
                $(self.$i.withdraw();)+
            }

            fn accept(&mut self, lane: usize, place: usize) {
                on_lane!(self, lane, [$($i)+], |it| accept(it, place), ());
            }
        }
    };
}

fn accept<T>(lane: &mut Lane<T>, place: usize) {
    while let Some((_, lease)) = lane.waiting.get_mut(place) {
        if lease.stays() {
            *lease = Lease::accepted(std::mem::take(lease).accept());
            return;
        }
        lane.waiting.remove(place);
    }
}

lanes!(Item1, 1: A 0);
lanes!(Item2, 2: A 0, B 1);
lanes!(Item3, 3: A 0, B 1, C 2);
lanes!(Item4, 4: A 0, B 1, C 2, D 3);
lanes!(Item5, 5: A 0, B 1, C 2, D 3, E 4);
lanes!(Item6, 6: A 0, B 1, C 2, D 3, E 4, F 5);
lanes!(Item7, 7: A 0, B 1, C 2, D 3, E 4, F 5, G 6);
lanes!(Item8, 8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

impl<T: Element> Lanes for Vec<Lane<T>> {
    type Item = (usize, T);
    type Row = Vec<T>;

    fn count(&self) -> usize {
        self.len()
    }

    fn admit(&mut self, item: &Self::Item) -> Option<usize> {
        Some(item.0)
    }

    fn push(&mut self, (lane, x): Self::Item, lease: Lease) {
        self[lane].push(x, lease);
    }

    fn waiting(&self, lane: usize) -> usize {
        self[lane].waiting.len()
    }

    fn is_ready(&self, lane: usize) -> bool {
        self[lane].is_ready()
    }

    fn pop(&mut self) -> Option<(Self::Row, Acks)> {
        if !self.all_ready() {
            return None;
        }
        let mut acks = Vec::new();
        let row: Option<Vec<T>> = self.iter_mut().map(|lane| lane.pop(&mut acks)).collect();
        Some((row?, Acks::merge(&acks)))
    }

    fn first(&self) -> Option<(Self::Row, Acks)> {
        let mut acks = Vec::new();
        let row: Option<Vec<T>> = self.iter().map(|lane| lane.first(&mut acks)).collect();
        Some((row?, Acks::merge(&acks)))
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.iter().for_each(|lane| lane.traverse(visit));
    }

    fn drop_first(&mut self, lane: usize) {
        self[lane].waiting.pop_front();
    }

    fn withdraw(&mut self) {
        self.iter_mut().for_each(Lane::withdraw);
    }

    fn accept(&mut self, lane: usize, place: usize) {
        accept(&mut self[lane], place);
    }
}
