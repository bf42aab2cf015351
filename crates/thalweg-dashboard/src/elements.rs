//! Texts of the last elements of nodes whose pages are open.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::server::App;

/// Limit of elements shown for a node.
pub(crate) const MAX_ELEMENTS: usize = 100;

/// Limit of an element's text, in bytes.
const MAX_TEXT: usize = 500;

/// How long a page waits for the texts of its elements.
const TEXT_TIMEOUT: Duration = Duration::from_millis(500);

/// Limit of nodes whose texts are kept.
const MAX_NODES: usize = 200;

/// Returns an element's text; `None` for an unknown type.
pub(crate) type Describe = Box<dyn Fn(&dyn Any) -> Option<String> + Send + Sync>;

/// The options for elements and the texts made so far.
pub(crate) struct Elements {
    pub(crate) count: usize,
    describe: Describe,
    /// Whether a thread is making texts.
    is_busy: AtomicBool,
    texts: Mutex<HashMap<u64, Vec<String>>>,
}

impl Elements {
    pub(crate) fn new(count: usize, describe: Describe) -> Self {
        Self {
            count: count.min(MAX_ELEMENTS),
            describe,
            is_busy: AtomicBool::new(false),
            texts: Mutex::default(),
        }
    }

    /// Texts of a node's last elements, newest first; `None` if they have not been made yet.
    pub(crate) fn texts(&self, node: u64) -> Option<Vec<String>> {
        self.lock().get(&node).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Vec<String>>> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, node: u64, texts: Vec<String>) {
        let mut kept = self.lock();
        if kept.len() >= MAX_NODES {
            kept.clear();
        }
        kept.insert(node, texts);
    }

    fn text(&self, element: &dyn Any) -> String {
        let described = catch_unwind(AssertUnwindSafe(|| (self.describe)(element)));
        let mut text = match described {
            Ok(Some(text)) => text,
            Ok(None) => "(no text for this type)".to_string(),
            Err(_) => "(describing it panicked)".to_string(),
        };
        if text.len() > MAX_TEXT {
            let is_end = |end: &usize| text.is_char_boundary(*end);
            let end = (0..=MAX_TEXT).rev().find(is_end).unwrap_or_default();
            text.truncate(end);
            text.push('…');
        }
        text
    }
}

/// Makes the texts of a node's elements, and waits for them for up to [`TEXT_TIMEOUT`]. User code makes them, and may
/// never return: it runs on a separate thread, one at a time.
pub(crate) async fn prepare(app: &Arc<App>, pipeline: u64, node: u64) {
    let Some(elements) = &app.elements else {
        return;
    };
    if elements.is_busy.swap(true, Ordering::AcqRel) {
        return;
    }
    let (done, finished) = oneshot::channel();
    let maker = app.clone();
    let thread = std::thread::Builder::new().name("thalweg-elements".into());
    let spawned = thread.spawn(move || {
        let kept = maker.kept_elements(pipeline, node);
        if let Some(elements) = &maker.elements {
            if let Some(kept) = kept {
                let newest = kept.iter().rev().take(elements.count);
                let texts = newest.map(|element| elements.text(&**element)).collect();
                elements.put(node, texts);
            }
            elements.is_busy.store(false, Ordering::Release);
        }
        // The page may have stopped waiting.
        let _ = done.send(());
    });
    match spawned {
        Ok(_) => drop(tokio::time::timeout(TEXT_TIMEOUT, finished).await),
        Err(_) => elements.is_busy.store(false, Ordering::Release),
    }
}

/// Texts of numbers and strings.
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
