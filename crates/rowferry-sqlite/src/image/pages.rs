//! Records on the pages of a table: <https://www.sqlite.org/fileformat2.html#b_tree_pages>.
//!
//! ```text
//! page 1   header and catalogue, from the template
//! page 2   the table's root: its only leaf, or the numbers of its leaves
//! page 3…  leaves:  kind 13 │ 0 │ cells │ start of them │ 0   8 bytes
//!                   place of each cell, 2 bytes               … free …
//!                   cells: varint bytes of the record, varint number of the row, record
//! ```

use std::ops::Range;

/// The largest page there is: fewer pages, and almost every record lies on one.
pub(super) const PAGE_BYTES: usize = 64 << 10;
/// A longer record would go on over pages of its own: the page less 35 bytes.
pub(super) const RECORD_BYTES_MAX: usize = PAGE_BYTES - 35;
/// Kinds of pages.
const LEAF: u8 = 13;
const INTERIOR: u8 = 5;
/// Before the places of the cells.
const LEAF_HEAD: usize = 8;
const INTERIOR_HEAD: usize = 12;
/// Of a cell's place.
const PLACE_BYTES: usize = 2;
/// Where the header of the database has the number of its pages.
const PAGES_AT: Range<usize> = 28..32;

/// The rows of each leaf, as many as it has room for; `cells` are their bytes.
pub(super) fn leaves(cells: &[usize]) -> Vec<Range<usize>> {
    let mut leaves = Vec::new();
    let (mut from, mut free) = (0, PAGE_BYTES - LEAF_HEAD);
    for (row, bytes) in cells.iter().enumerate() {
        let bytes = *bytes + PLACE_BYTES;
        if bytes > free {
            leaves.push(from..row);
            (from, free) = (row, PAGE_BYTES - LEAF_HEAD);
        }
        free -= bytes;
    }
    leaves.push(from..cells.len());
    leaves
}

/// An image with the pages of these leaves, and where the first of them begins; `None` for more leaves
/// than a root has room for. `last` is the greatest number of a row on each leaf.
pub(super) fn database(first_page: &[u8], last: &[i64]) -> Option<(Vec<u8>, usize)> {
    let pages = if last.len() == 1 { 2 } else { 2 + last.len() };
    let mut bytes = Vec::with_capacity(pages * PAGE_BYTES);
    bytes.extend_from_slice(first_page);
    bytes.resize(pages * PAGE_BYTES, 0);
    bytes.get_mut(PAGES_AT)?.copy_from_slice(&u32::try_from(pages).ok()?.to_be_bytes());
    if last.len() > 1 {
        write_root(bytes.get_mut(PAGE_BYTES..2 * PAGE_BYTES)?, last)?;
    }
    let first_leaf = (pages - last.len()) * PAGE_BYTES;
    Some((bytes, first_leaf))
}

/// Each cell: the number of a page, and the greatest number of a row there. The last page is in the head.
fn write_root(page: &mut [u8], last: &[i64]) -> Option<()> {
    let (_, others) = last.split_last()?;
    let mut end = PAGE_BYTES;
    for (index, number) in others.iter().enumerate() {
        let number = number.cast_unsigned();
        let start = end.checked_sub(4 + super::record::varint_bytes(number))?;
        let place = INTERIOR_HEAD + index * PLACE_BYTES;
        if start < place + PLACE_BYTES {
            return None;
        }
        let cell = page.get_mut(start..end)?;
        cell.get_mut(..4)?.copy_from_slice(&page_number(index)?.to_be_bytes());
        super::record::put_varint(cell.get_mut(4..)?, number);
        put_short(page, place, start)?;
        end = start;
    }
    *page.first_mut()? = INTERIOR;
    put_short(page, 3, others.len())?;
    put_short(page, 5, end)?;
    page.get_mut(8..12)?.copy_from_slice(&page_number(others.len())?.to_be_bytes());
    Some(())
}

/// Of a leaf, where there are several.
fn page_number(leaf: usize) -> Option<u32> {
    u32::try_from(leaf + 3).ok()
}

/// Writes the head of a leaf for cells of these bytes, which lie at its end in their order, and returns
/// where the first of them begins.
pub(super) fn begin_leaf(page: &mut [u8], cells: &[usize]) -> Option<usize> {
    let all: usize = cells.iter().sum();
    let start = PAGE_BYTES.checked_sub(all)?;
    *page.first_mut()? = LEAF;
    put_short(page, 3, cells.len())?;
    put_short(page, 5, start)?;
    let mut at = start;
    for (index, bytes) in cells.iter().enumerate() {
        put_short(page, LEAF_HEAD + index * PLACE_BYTES, at)?;
        at += *bytes;
    }
    Some(start)
}

/// Two bytes, in which the size of a page is zero.
fn put_short(page: &mut [u8], at: usize, value: usize) -> Option<()> {
    let value = u16::try_from(value % PAGE_BYTES).ok()?;
    page.get_mut(at..at + 2)?.copy_from_slice(&value.to_be_bytes());
    Some(())
}
