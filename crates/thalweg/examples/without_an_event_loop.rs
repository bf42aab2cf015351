//! A synchronous pipeline: it needs no event loop, and everything is done when `emit` returns.

use thalweg::{Error, Stream};

pub(crate) fn main() -> Result<(), Error> {
    let source = Stream::new();
    let sums = source
        .map(|x| x + 1)
        .scan(0, |sum, x| sum + x)
        .sink_to_list();
    for x in 0..10 {
        source.emit(x).wait()?;
        println!("{:?}", sums.to_vec().last());
    }
    assert_eq!(sums.to_vec(), [1, 3, 6, 10, 15, 21, 28, 36, 45, 55]);
    Ok(())
}
