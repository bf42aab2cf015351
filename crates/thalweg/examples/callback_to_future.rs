//! A callback-based function as a future: code that was inside out reads from top to
//! bottom.

use std::thread;

use thalweg::callback::{self, Uncalled};

/// A transfer in the style of a C library: it returns at once, and calls back when it is done.
fn transfer(url: &str, callback: impl FnOnce(Result<u64, String>) + Send + 'static) {
    let (size, secure) = (url.len() as u64, url.starts_with("gsiftp://"));
    thread::spawn(move || {
        callback(if secure {
            Ok(size)
        } else {
            Err("no certificate".to_string())
        });
    });
}

/// A transfer whose thread dies on the way.
fn broken_transfer(callback: impl FnOnce(u64) + Send + 'static) {
    thread::spawn(move || drop(callback));
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Uncalled> {
    let sent = callback::future(|done| transfer("gsiftp://host/file", done)).await?;
    println!("sent {sent:?}");
    assert_eq!(sent, Ok(18));

    let refused = callback::future(|done| transfer("http://host/file", done)).await?;
    println!("refused: {refused:?}");
    assert_eq!(refused, Err("no certificate".to_string()));

    // A callback that can no longer come ends the wait too.
    let lost = callback::future(broken_transfer).await;
    assert!(lost.is_err());
    Ok(())
}
