use std::collections::BTreeMap;
use std::fmt::Debug;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use thalweg::Failure;

/// The longest letter, in bytes of JSON.
pub(super) const MAX_LEN: usize = 16 * 1024 * 1024;

/// The most characters of an element that is only shown.
const MAX_SHOWN: usize = 1000;

/// An element that a function failed on, in a form that can be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The name of the node whose function failed.
    pub node: String,
    /// 1-based position of the element among those of the node; 0 if there was no element.
    pub ordinal: u64,
    /// Attempts at the element, all of which failed: those of the node's policy, and those of all replays.
    pub attempt: u32,
    /// What the function failed on, and what that was caused by.
    pub error: String,
    /// The element.
    pub element: Kept,
}

/// An element as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kept {
    /// A JSON text. Text is a JSON string.
    Json(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// What people see of an element that has no other form, up to 1,000 characters. It cannot be replayed.
    Shown(String),
}

impl Kept {
    /// Anything that serde makes JSON of. What it makes none of is a [`Shown`](Self::Shown) with the reason.
    ///
    /// ```
    /// use thalweg_io::dead_letters::Kept;
    ///
    /// let kept = Kept::json(&("roof", 20.5));
    /// assert_eq!(kept, Kept::Json(r#"["roof",20.5]"#.to_string()));
    /// assert_eq!(kept.parse::<(String, f64)>()?, ("roof".to_string(), 20.5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn json(element: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_string(element) {
            Ok(json) => Self::Json(json),
            Err(error) => Self::Shown(format!("no JSON can be made of it: {error}")),
        }
    }

    /// What `Debug` shows of an element, for people.
    pub fn shown(element: &impl Debug) -> Self {
        let shown = format!("{element:?}");
        Self::Shown(shown.chars().take(MAX_SHOWN).collect())
    }

    /// The text, if it is one.
    ///
    /// ```
    /// use thalweg_io::dead_letters::Kept;
    ///
    /// assert_eq!(Kept::from("river").text().as_deref(), Some("river"));
    /// assert_eq!(Kept::from(&b"river"[..]).text(), None);
    /// ```
    pub fn text(&self) -> Option<String> {
        self.parse().ok()
    }

    /// What serde makes of the JSON.
    ///
    /// # Errors
    /// It is something else, or no JSON.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        match self {
            Self::Json(json) => serde_json::from_str(json),
            Self::Bytes(_) => Err(serde::de::Error::custom("the element is bytes, not JSON")),
            Self::Shown(_) => Err(serde::de::Error::custom("the element was only shown")),
        }
    }
}

impl From<&str> for Kept {
    fn from(text: &str) -> Self {
        Self::json(text)
    }
}

impl From<String> for Kept {
    fn from(text: String) -> Self {
        Self::json(&text)
    }
}

impl From<Vec<u8>> for Kept {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<&[u8]> for Kept {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl DeadLetter {
    /// The letter of a failure, with its element as it is to be kept.
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_io::dead_letters::DeadLetter;
    ///
    /// let source = Stream::new();
    /// source.try_map(|text: &&str| text.parse::<i32>()).named("parse").sink(drop);
    /// let error = source.emit("two").wait().unwrap_err();
    /// let letter = DeadLetter::new(&error.failures()[0], "two".into());
    /// assert_eq!(
    ///     letter.to_json(),
    ///     r#"{"node":"parse","ordinal":1,"attempt":1,"error":"invalid digit found in string","element":"two"}"#
    /// );
    /// assert_eq!(DeadLetter::from_json(&letter.to_json())?, letter);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(failure: &Failure, element: Kept) -> Self {
        let mut error = failure.cause().to_string();
        let mut cause = failure.cause().source();
        while let Some(behind) = cause {
            let text = behind.to_string();
            // Many errors show what they were caused by.
            if !error.contains(&text) {
                error = format!("{error}: {text}");
            }
            cause = behind.source();
        }
        Self {
            node: failure.node().to_string(),
            ordinal: failure.ordinal(),
            attempt: failure.attempts(),
            error,
            element,
        }
    }

    /// One line of JSON: `node`, `ordinal`, `attempt`, `error`, and the element as `element`, or as `bytes` in Base64,
    /// or as `shown`.
    pub fn to_json(&self) -> String {
        let (name, element) = match &self.element {
            Kept::Json(json) => ("element", one_line(json)),
            Kept::Bytes(bytes) => ("bytes", quoted(&STANDARD.encode(bytes))),
            Kept::Shown(shown) => ("shown", quoted(shown)),
        };
        format!(
            "{{\"node\":{},\"ordinal\":{},\"attempt\":{},\"error\":{},\"{name}\":{element}}}",
            quoted(&self.node),
            self.ordinal,
            self.attempt,
            quoted(&self.error)
        )
    }

    /// A letter of its JSON. What it has beside the known fields is passed over.
    ///
    /// # Errors
    /// It is no JSON, or a field is missing or of another kind.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json)?;
        let element = if let Some(element) = fields.get("element") {
            Kept::Json(element.get().to_string())
        } else if fields.contains_key("bytes") {
            let text: String = field(&fields, "bytes")?;
            let bytes = STANDARD.decode(text);
            Kept::Bytes(bytes.map_err(serde::de::Error::custom)?)
        } else {
            Kept::Shown(field(&fields, "shown")?)
        };
        Ok(Self {
            node: field(&fields, "node")?,
            ordinal: field(&fields, "ordinal")?,
            attempt: field(&fields, "attempt")?,
            error: field(&fields, "error")?,
            element,
        })
    }
}

fn field<T: DeserializeOwned>(
    fields: &BTreeMap<String, Box<RawValue>>,
    name: &'static str,
) -> Result<T, serde_json::Error> {
    match fields.get(name) {
        Some(value) => serde_json::from_str(value.get()),
        None => Err(serde::de::Error::missing_field(name)),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// JSON without line breaks, which stand between its parts only: in strings they are escaped.
fn one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}
