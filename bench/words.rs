// SPDX-License-Identifier: MIT
// Strings, vectors and maps.
use std::collections::{BTreeMap, HashMap};

fn main() {
    let mut seed: u32 = 7;
    let mut count: HashMap<String, Vec<usize>> = HashMap::new();
    for i in 0..400_000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let word = format!("word-{}-{}", seed >> 20, (seed >> 8) % 17);
        count.entry(word).or_default().push(i);
    }
    let sorted: BTreeMap<&str, usize> = count.iter().map(|(k, v)| (k.as_str(), v.len())).collect();
    let text: Vec<String> = sorted.iter().map(|(k, v)| format!("{k}={v}")).collect();
    println!("{} {}", sorted.len(), text.join(",").len());
}
