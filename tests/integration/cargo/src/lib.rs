// SPDX-License-Identifier: MIT
//! A parcel by pointer, as a library for C would hand it out.

pub struct Parcel {
    pub label: String,
}

pub fn parcel_new(label: &str) -> *mut Parcel {
    Box::into_raw(Box::new(Parcel {
        label: label.to_string(),
    }))
}

/// # Safety
/// The pointer is one of `parcel_new`, and is not used again.
pub unsafe fn parcel_free(parcel: *mut Parcel) {
    drop(Box::from_raw(parcel));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clean() {
        let p = parcel_new("books");
        unsafe {
            assert_eq!((*p).label, "books");
            parcel_free(p);
        }
    }

    #[test]
    fn leaky() {
        let p = parcel_new("books");
        unsafe { assert_eq!((*p).label, "books") };
    }
}
