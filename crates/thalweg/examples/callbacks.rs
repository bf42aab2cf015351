//! Two ways to give a callback more than the result: passed through by the function that
//! does the work, or bound beforehand.

use std::sync::mpsc::{Sender, channel};
use std::thread;

/// State of the connection that the callback needs.
struct Connection {
    handle: u32,
    log: Sender<String>,
}

fn log(result: u32, connection: &Connection) {
    let line = format!("{result} for connection {}", connection.handle);
    println!("{line}");
    connection.log.send(line).expect("the log is read");
}

/// Quick and dirty: the callback's arguments go through the function that does the work.
mod quick_and_dirty {
    use super::{Connection, thread};

    pub(crate) fn square<A: Send + 'static>(x: u32, callback: fn(u32, A), callback_args: A) {
        thread::spawn(move || callback(x * x, callback_args));
    }

    pub(crate) fn done(result: u32, connection: Connection) {
        super::log(result, &connection);
    }
}

/// Functional: the function that does the work takes any function of the result.
mod functional {
    use super::{Connection, thread};

    pub(crate) fn square(x: u32, callback: impl FnOnce(u32) + Send + 'static) {
        thread::spawn(move || callback(x * x));
    }

    pub(crate) fn done(result: u32, connection: &Connection) {
        super::log(result, connection);
    }
}

pub(crate) fn main() {
    let (log, lines) = channel();
    let connection = |handle| Connection {
        handle,
        log: log.clone(),
    };

    quick_and_dirty::square(3, quick_and_dirty::done, connection(1));
    assert_eq!(lines.recv().as_deref(), Ok("9 for connection 1"));

    // The closure binds the connection, as `functools.partial` does.
    let second = connection(2);
    functional::square(4, move |result| functional::done(result, &second));
    assert_eq!(lines.recv().as_deref(), Ok("16 for connection 2"));
}
