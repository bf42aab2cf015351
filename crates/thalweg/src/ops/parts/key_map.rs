use std::hash::{BuildHasher, Hash, Hasher};

use hashlink::linked_hash_map::{Entry, LinkedHashMap};

/// Map by keys of users' types, in the order of their insertion, that can remove every key again.
///
/// Users' types may break their contracts: a key may differ from itself, as one with a `NaN` does, its hash may change,
/// and comparing and hashing may panic. So a key is hashed once, before anything has changed, and equals itself.
pub(in crate::ops) struct KeyMap<K, V>(LinkedHashMap<HashedKey<K>, V>);

/// A key with its hash.
pub(in crate::ops) struct HashedKey<K> {
    hash: u64,
    key: K,
}

impl<K> Hash for HashedKey<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl<K: Eq> PartialEq for HashedKey<K> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || (self.hash == other.hash && self.key == other.key)
    }
}

impl<K: Eq> Eq for HashedKey<K> {}

impl<K, V> Default for KeyMap<K, V> {
    fn default() -> Self {
        Self(LinkedHashMap::new())
    }
}

impl<K, V> KeyMap<K, V> {
    pub(in crate::ops) fn len(&self) -> usize {
        self.0.len()
    }

    pub(in crate::ops) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of the first key.
    pub(in crate::ops) fn front(&self) -> Option<&V> {
        self.0.front().map(|(_, value)| value)
    }

    pub(in crate::ops) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(hashed, value)| (&hashed.key, value))
    }

    /// Takes all values.
    pub(in crate::ops) fn drain(&mut self) -> impl Iterator<Item = V> {
        self.0.drain().map(|(_, value)| value)
    }
}

impl<K: Eq + Hash, V> KeyMap<K, V> {
    fn hashed(&self, key: K) -> HashedKey<K> {
        HashedKey {
            hash: self.0.hasher().hash_one(&key),
            key,
        }
    }

    pub(in crate::ops) fn entry(
        &mut self,
        key: K,
    ) -> Entry<'_, HashedKey<K>, V, hashlink::DefaultHashBuilder> {
        let hashed = self.hashed(key);
        self.0.entry(hashed)
    }

    /// Sets the value of a key, which moves to the back, and returns its former value.
    pub(in crate::ops) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let hashed = self.hashed(key);
        self.0.insert(hashed, value)
    }

    /// Takes the value of the first key.
    pub(in crate::ops) fn pop_front(&mut self) -> Option<V> {
        self.0.pop_front().map(|(_, value)| value)
    }
}
