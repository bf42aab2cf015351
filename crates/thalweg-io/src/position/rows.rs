use std::collections::{HashMap, VecDeque};

/// Number of rows that a sink has written for each element after the source's position. After a crash an element yields
/// the same rows again: that many of them are skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    /// Number of the element before the first one in `elements`.
    base: u64,
    elements: VecDeque<Element>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Element {
    /// Rows that were written before the crash.
    restored: u32,
    /// Rows that have been written or skipped since.
    passed: u32,
}

/// Rows of the batch being written, by the number of their element.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending(HashMap<u64, u32>);

impl Pending {
    /// Undoes the last row of an element, which was not written after all.
    #[cfg(feature = "files")]
    pub(crate) fn take_back(&mut self, number: u64) {
        if let Some(rows) = self.0.get_mut(&number) {
            *rows = rows.saturating_sub(1);
        }
    }
}

impl Rows {
    /// Parses the text stored with the number of the element before the first one.
    ///
    /// # Errors
    /// The text was not made by [`to_text`](Self::to_text).
    pub(crate) fn from_text(base: u64, text: &str) -> Option<Self> {
        let mut elements = VecDeque::new();
        for run in text.split_terminator(',') {
            let (count, rows) = run.split_once('x')?;
            let (count, restored) = (count.parse::<usize>().ok()?, rows.parse().ok()?);
            let element = Element {
                restored,
                passed: 0,
            };
            elements.extend(std::iter::repeat_n(element, count));
        }
        Some(Self { base, elements })
    }

    /// Encodes the counts from the element `base + 1` on, as runs: number of elements, rows per element.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        let mut counts = self.elements.iter().map(Element::written).peekable();
        while let Some(rows) = counts.next() {
            let mut run = 1;
            while counts.next_if_eq(&rows).is_some() {
                run += 1;
            }
            text.push_str(&format!("{run}x{rows},"));
        }
        text
    }

    /// Whether the next row of an element must be written: it was not, before a crash.
    pub(crate) fn is_new(&self, number: u64, pending: &mut Pending) -> bool {
        let element = self.index(number).and_then(|at| self.elements.get(at));
        let element = element.copied().unwrap_or_default();
        let within = pending.0.entry(number).or_default();
        *within += 1;
        element.passed + *within > element.restored
    }

    /// Adds the rows of a written batch, and forgets elements up to `number`, which are done.
    pub(crate) fn commit(&mut self, pending: &Pending, number: u64) {
        for (number, rows) in &pending.0 {
            let Some(at) = self.index(*number) else {
                continue;
            };
            if self.elements.len() <= at {
                self.elements.resize(at + 1, Element::default());
            }
            self.elements[at].passed += rows;
        }
        let done = number.saturating_sub(self.base);
        let done = usize::try_from(done).unwrap_or(usize::MAX);
        self.elements.drain(..done.min(self.elements.len()));
        self.base = self.base.max(number);
    }

    fn index(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.base + 1)?).ok()
    }
}

impl Element {
    fn written(&self) -> u32 {
        self.restored.max(self.passed)
    }
}
