/// An operator whose settings can be changed while its pipeline runs; see
/// [`Stream::reconfigure`](crate::Stream::reconfigure).
///
/// ```
/// use thalweg::{OperatorError, Reconfigure, Stream, Transform};
///
/// /// Passes on every `n`th element.
/// struct EveryNth {
///     n: u32,
///     came: u32,
/// }
///
/// impl Transform for EveryNth {
///     type In = u32;
///     type Out = u32;
///     const KIND: &'static str = "every_nth";
///
///     fn apply(&mut self, x: u32) -> Result<Option<u32>, OperatorError<u32>> {
///         self.came += 1;
///         Ok(self.came.is_multiple_of(self.n).then_some(x))
///     }
/// }
///
/// impl Reconfigure for EveryNth {
///     fn reconfigure(&mut self, new: Self) {
///         self.n = new.n;
///     }
/// }
///
/// let source = Stream::new();
/// let some = source.transform(EveryNth { n: 2, came: 0 });
/// let list = some.sink_to_list();
/// source.emit_many(1..=4).wait()?;
/// some.reconfigure(EveryNth { n: 3, came: 0 })?;
/// source.emit_many(5..=9).wait()?;
/// assert_eq!(list.to_vec(), [2, 4, 6, 9]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub trait Reconfigure {
    /// Takes the settings of `new`, functions included; elements and state are kept.
    fn reconfigure(&mut self, new: Self);
}
