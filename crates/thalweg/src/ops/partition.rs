use crate::failure::BuildError;
use crate::{Acks, Context, Element, Flow, Never, Operator, Stream};

/// Gathers elements into groups of a fixed size; see [`Stream::partition`].
pub struct Partition<T> {
    size: usize,
    group: Vec<T>,
    acks: Vec<Acks>,
}

impl<T: Element> Partition<T> {
    /// Groups of `size`.
    ///
    /// # Errors
    /// `size` is zero.
    pub fn new(size: usize) -> Result<Self, BuildError> {
        if size == 0 {
            return Err(BuildError::new(
                "partition",
                "a group has at least one element, not 0",
            ));
        }
        Ok(Self {
            size,
            group: Vec::new(),
            acks: Vec::new(),
        })
    }

    fn send(&mut self, cx: &mut Context<'_, Self>) -> Flow {
        let acks = Acks::merge(&self.acks);
        self.acks.clear();
        cx.emit_with(acks, std::mem::take(&mut self.group))
    }
}

impl<T: Element> Operator for Partition<T> {
    type In = T;
    type Out = Vec<T>;
    type Event = Never;
    const KIND: &'static str = "partition";

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> Flow {
        self.group.push(x);
        let acks = cx.acks();
        if !acks.is_none() {
            self.acks.push(acks);
        }
        if self.group.len() == self.size {
            return self.send(cx);
        }
        Ok(())
    }

    fn flush(&mut self, cx: &mut Context<'_, Self>) -> Flow {
        if self.group.is_empty() {
            return Ok(());
        }
        self.send(cx)
    }

    fn resting(&self) -> usize {
        self.group.len()
    }
}

impl<T: Element> Stream<T> {
    /// Gathers elements into groups of `size`.
    pub fn partition(&self, size: usize) -> Stream<Vec<T>> {
        self.apply_checked(Partition::new(size))
    }
}
