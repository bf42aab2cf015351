//! Trace contexts in W3C's form.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Maximum length of a `tracestate` to propagate, in bytes, as the specification requires.
const LONGEST_STATE: usize = 512;

/// Identity of a trace across processes, by W3C's *Trace Context*: the headers `traceparent` and `tracestate`.
///
/// ```
/// use thalweg::trace::TraceContext;
///
/// let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let context: TraceContext = text.parse()?;
/// assert_eq!(context.to_string(), text);
/// assert!(context.is_sampled());
/// assert_eq!(context.span_id(), 0xb7ad6b7169203331);
/// assert!("00-00000000000000000000000000000000-b7ad6b7169203331-01".parse::<TraceContext>().is_err());
/// # Ok::<(), thalweg::trace::ContextError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    flags: u8,
    state: Option<Arc<str>>,
}

/// The text is not a `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a `traceparent` is a version, the trace, the span and flags in lower-case hexadecimal digits, such as \
     00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01, and neither trace nor span is zero"
)]
pub struct ContextError;

impl TraceContext {
    /// Creates a context from its parts.
    ///
    /// # Errors
    /// The trace id or the span id is zero.
    ///
    /// ```
    /// use thalweg::trace::TraceContext;
    ///
    /// let context = TraceContext::new(1, 2, true)?;
    /// assert_eq!(context.to_string(), "00-00000000000000000000000000000001-0000000000000002-01");
    /// assert!(TraceContext::new(0, 2, true).is_err());
    /// # Ok::<(), thalweg::trace::ContextError>(())
    /// ```
    pub fn new(trace_id: u128, span_id: u64, is_sampled: bool) -> Result<Self, ContextError> {
        if trace_id == 0 || span_id == 0 {
            return Err(ContextError);
        }
        Ok(Self {
            trace_id,
            span_id,
            flags: is_sampled.into(),
            state: None,
        })
    }

    /// Adds a `tracestate`, which is propagated unchanged; ignored if it is empty, longer than 512 bytes, or not
    /// printable ASCII.
    ///
    /// ```
    /// # use thalweg::trace::TraceContext;
    /// let context = TraceContext::new(1, 2, true)?.with_state("vendor=1");
    /// assert_eq!(context.state(), Some("vendor=1"));
    /// assert_eq!(context.with_state("two\nlines").state(), None);
    /// # Ok::<(), thalweg::trace::ContextError>(())
    /// ```
    #[must_use]
    pub fn with_state(mut self, state: &str) -> Self {
        let fits = (1..=LONGEST_STATE).contains(&state.len());
        let is_printable = state.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        self.state = (fits && is_printable).then(|| state.into());
        self
    }

    /// Parses the two headers; invalid ones are ignored.
    ///
    /// ```
    /// # use thalweg::trace::TraceContext;
    /// let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    /// let context = TraceContext::of_headers(Some(parent), Some("vendor=1"));
    /// assert_eq!(context.and_then(|it| it.state().map(str::to_string)), Some("vendor=1".to_string()));
    /// assert_eq!(TraceContext::of_headers(Some("nonsense"), None), None);
    /// ```
    pub fn of_headers(parent: Option<&str>, state: Option<&str>) -> Option<Self> {
        let context: Self = parent?.parse().ok()?;
        Some(match state {
            Some(state) => context.with_state(state),
            None => context,
        })
    }

    /// The trace id.
    pub fn trace_id(&self) -> u128 {
        self.trace_id
    }

    /// The id of the parent span.
    pub fn span_id(&self) -> u64 {
        self.span_id
    }

    /// Whether the trace is sampled.
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 != 0
    }

    /// The `tracestate`, if there is one.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

impl fmt::Display for TraceContext {
    /// The `traceparent`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "00-{:032x}-{:016x}-{:02x}",
            self.trace_id, self.span_id, self.flags
        )
    }
}

impl FromStr for TraceContext {
    type Err = ContextError;

    fn from_str(text: &str) -> Result<Self, ContextError> {
        let mut parts = text.trim_matches([' ', '\t']).split('-');
        let mut next = |length: usize| {
            let part = parts.next().filter(|part| part.len() == length)?;
            let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            let is_hex = part.bytes().all(is_hex);
            is_hex.then(|| u128::from_str_radix(part, 16).ok())?
        };
        let parsed = (|| {
            let (version, trace_id) = (next(2)?, next(32)?);
            let (span_id, flags) = (u64::try_from(next(16)?).ok()?, next(2)?);
            Some((version, trace_id, span_id, flags))
        })();
        let (version, trace_id, span_id, flags) = parsed.ok_or(ContextError)?;
        // Later versions may have more parts, and 255 is invalid.
        if version == 0xff || (version == 0 && parts.next().is_some()) {
            return Err(ContextError);
        }
        // Only the first flag is known.
        Self::new(trace_id, span_id, flags & 1 != 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_invalid_traceparent_is_refused() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(good.parse::<TraceContext>().is_ok());
        let later = format!("cc-{}-more", &good[3..]);
        assert!(later.parse::<TraceContext>().is_ok());
        for wrong in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            "00-ä0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        ] {
            assert_eq!(wrong.parse::<TraceContext>(), Err(ContextError), "{wrong}");
        }
        let unsampled = good.replace("-01", "-00");
        let unsampled: TraceContext = unsampled.parse().expect("it is one");
        assert!(!unsampled.is_sampled());
    }

    proptest! {
        #[test]
        fn the_text_form_round_trips(trace in 1_u128.., span in 1_u64.., is_sampled: bool) {
            let context = TraceContext::new(trace, span, is_sampled).expect("neither is zero");
            prop_assert_eq!(context.to_string().parse(), Ok(context));
        }

        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _ = text.parse::<TraceContext>();
            let context = TraceContext::new(1, 2, true).expect("neither is zero");
            let _ = context.with_state(&text);
        }
    }
}
