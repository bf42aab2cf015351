//! The last elements of the nodes that somebody looks at, as texts.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::server::App;

/// How many elements of a node are shown at most.
pub(crate) const MOST: usize = 100;

/// The longest text of an element, in bytes.
const LONGEST: usize = 500;

/// How long a page waits for the texts of elements.
const PATIENCE: Duration = Duration::from_millis(500);

/// How many nodes' texts are kept, for pages that are open.
const NODES: usize = 200;

/// What an element reads like; `None` for one of a type that is not known.
pub(crate) type Describe = Box<dyn Fn(&dyn Any) -> Option<String> + Send + Sync>;

/// What is needed to show elements.
pub(crate) struct Elements {
    pub(crate) count: usize,
    describe: Describe,
    /// Whether texts are being made.
    is_busy: AtomicBool,
    texts: Mutex<HashMap<u64, Vec<String>>>,
}

impl Elements {
    pub(crate) fn new(count: usize, describe: Describe) -> Self {
        Self {
            count: count.min(MOST),
            describe,
            is_busy: AtomicBool::new(false),
            texts: Mutex::default(),
        }
    }

    /// The texts of a node's last elements, the newest first; `None` if they have not been made.
    pub(crate) fn texts(&self, node: u64) -> Option<Vec<String>> {
        self.lock().get(&node).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Vec<String>>> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, node: u64, texts: Vec<String>) {
        let mut kept = self.lock();
        if kept.len() >= NODES {
            kept.clear();
        }
        kept.insert(node, texts);
    }

    fn text(&self, element: &dyn Any) -> String {
        let described = catch_unwind(AssertUnwindSafe(|| (self.describe)(element)));
        let mut text = match described {
            Ok(Some(text)) => text,
            Ok(None) => "(nobody has said what it reads like)".to_string(),
            Err(_) => "(what says what it reads like has panicked)".to_string(),
        };
        if text.len() > LONGEST {
            let is_end = |end: &usize| text.is_char_boundary(*end);
            let end = (0..=LONGEST).rev().find(is_end).unwrap_or_default();
            text.truncate(end);
            text.push('…');
        }
        text
    }
}

/// Has the texts of a node's elements made, and waits for them a little. It is done on a thread of its own, one at a time:
/// what makes them is the user's, and may take for ever.
pub(crate) async fn prepare(app: &Arc<App>, pipeline: u64, node: u64) {
    let Some(elements) = &app.elements else {
        return;
    };
    if elements.is_busy.swap(true, Ordering::AcqRel) {
        return;
    }
    let (tells, told) = oneshot::channel();
    let making = app.clone();
    let thread = std::thread::Builder::new().name("thalweg-elements".into());
    let begun = thread.spawn(move || {
        let kept = making.kept_elements(pipeline, node);
        if let Some(elements) = &making.elements {
            if let Some(kept) = kept {
                let newest = kept.iter().rev().take(elements.count);
                let texts = newest.map(|element| elements.text(&**element)).collect();
                elements.put(node, texts);
            }
            elements.is_busy.store(false, Ordering::Release);
        }
        // The page that asked may have stopped waiting.
        let _ = tells.send(());
    });
    match begun {
        Ok(_) => drop(tokio::time::timeout(PATIENCE, told).await),
        Err(_) => elements.is_busy.store(false, Ordering::Release),
    }
}

/// What values of common types read like.
pub(crate) fn describe_common(element: &dyn Any) -> Option<String> {
    macro_rules! common {
        ($($kind:ty),*) => {
            $(if let Some(element) = element.downcast_ref::<$kind>() {
                return Some(format!("{element:?}"));
            })*
        };
    }
    common!(String, &str, bool, char, i8, i16, i32, i64, i128, isize);
    common!(u8, u16, u32, u64, u128, usize, f32, f64, ());
    None
}
