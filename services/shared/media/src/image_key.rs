//! Keys of images in the storage.

use std::{fmt, str::FromStr};

use uuid::Uuid;

use crate::transcode::{Format, THUMBNAIL_SIDE};

/// The key of an image in the storage. Its text is `products/<uuid>.jpg`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageKey {
    /// Folder of the storage: `products` or `avatars`. 1 to 32 lower-case letters.
    pub folder: String,
    /// Unique id.
    pub id: Uuid,
    /// Encoding, which decides the extension.
    pub format: Format,
}

impl ImageKey {
    /// Returns the key of the thumbnail: `products/<uuid>-400.jpg`.
    pub(crate) fn thumbnail(&self) -> String {
        format!("{}/{}-{THUMBNAIL_SIDE}.{}", self.folder, self.id, self.format.extension())
    }
}

impl fmt::Display for ImageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.{}", self.folder, self.id, self.format.extension())
    }
}

/// The error of parsing an [`ImageKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid image key")]
pub struct InvalidImageKey;

impl FromStr for ImageKey {
    type Err = InvalidImageKey;

    fn from_str(text: &str) -> Result<Self, InvalidImageKey> {
        let (folder, file) = text.split_once('/').ok_or(InvalidImageKey)?;
        let (id, extension) = file.split_once('.').ok_or(InvalidImageKey)?;
        let format = Format::from_extension(extension).ok_or(InvalidImageKey)?;
        let id = id.parse().map_err(|_| InvalidImageKey)?;
        let key = Self { folder: folder.to_owned(), id, format };
        let is_folder =
            (1..=32).contains(&folder.len()) && folder.bytes().all(|byte| byte.is_ascii_lowercase());
        // A UUID has several spellings, a key has one.
        if is_folder && key.to_string() == text { Ok(key) } else { Err(InvalidImageKey) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "019988aa-1111-7222-8333-0123456789ab";

    #[test]
    fn parses_a_displayed_key() {
        for (format, extension) in [(Format::Jpeg, "jpg"), (Format::Png, "png")] {
            let key = ImageKey { folder: "products".to_owned(), id: ID.parse().unwrap(), format };
            assert_eq!(key.to_string(), format!("products/{ID}.{extension}"));
            assert_eq!(key.thumbnail(), format!("products/{ID}-400.{extension}"));
            assert_eq!(key.to_string().parse(), Ok(key));
        }
    }

    #[test]
    fn rejects_any_other_text() {
        for text in [
            String::new(),
            format!("{ID}.jpg"),
            format!("/{ID}.jpg"),
            format!("../{ID}.jpg"),
            format!("a/../{ID}.jpg"),
            format!("Products/{ID}.jpg"),
            format!("{}/{ID}.jpg", "a".repeat(33)),
            format!("products/{ID}"),
            format!("products/{ID}.svg"),
            format!("products/{ID}.jpg.html"),
            format!("products/{ID}-400.jpg"),
            format!("products/{}.jpg", ID.to_uppercase()),
            format!("products/{}.jpg", ID.replace('-', "")),
        ] {
            assert_eq!(text.parse::<ImageKey>(), Err(InvalidImageKey), "{text}");
        }
    }
}
