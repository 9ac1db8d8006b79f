//! XML: a small tree for what comes in, a small writer for what goes out.

use quick_xml::escape::{escape, resolve_xml_entity};
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use serde_json::{Map, Value};

use crate::hub::AwsError;

/// How deep a document may nest; deeper ones are refused rather than followed.
const DEPTH_MAX: usize = 32;

/// An element: its name without prefix, its children, and the text of a leaf.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Element {
    /// The local name.
    pub name: String,
    /// Child elements in order.
    pub children: Vec<Element>,
    /// The text, without the white space between child elements.
    pub text: String,
}

impl Element {
    /// The first child of that name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of that name.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// The element as JSON: a leaf is a string, others are objects, and repeated children arrays.
    pub fn to_value(&self) -> Value {
        if self.children.is_empty() {
            return Value::String(self.text.clone());
        }
        let mut object = Map::new();
        for child in &self.children {
            match object.get_mut(&child.name) {
                None => {
                    object.insert(child.name.clone(), child.to_value());
                }
                Some(Value::Array(items)) => items.push(child.to_value()),
                Some(first) => *first = Value::Array(vec![first.take(), child.to_value()]),
            }
        }
        Value::Object(object)
    }
}

/// Reads a document. Anything that is not well-formed, nests too deep or needs a DTD is `MalformedInput`.
pub fn parse(bytes: &[u8]) -> Result<Element, AwsError> {
    let text = std::str::from_utf8(bytes).map_err(|error| malformed(error.to_string()))?;
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    loop {
        let event = reader.read_event().map_err(|error| malformed(error.to_string()))?;
        let closed = match event {
            Event::Start(start) => {
                if open.len() >= DEPTH_MAX {
                    return Err(malformed("the document nests too deep".to_owned()));
                }
                open.push(element(&start));
                None
            }
            Event::Empty(start) => Some(element(&start)),
            Event::End(_) => open.pop().map(trimmed),
            Event::Text(part) => {
                append(&mut open, &part.xml10_content())?;
                None
            }
            Event::CData(part) => {
                append(&mut open, &part.xml10_content())?;
                None
            }
            Event::GeneralRef(reference) => {
                let character = reference
                    .resolve_char_ref()
                    .map_err(|error| malformed(error.to_string()))?;
                match character {
                    Some(character) => append(&mut open, character.encode_utf8(&mut [0; 4]))?,
                    None => {
                        let name = reference.xml10_content();
                        let resolved = resolve_xml_entity(&name);
                        append(
                            &mut open,
                            resolved.ok_or_else(|| malformed(format!("unknown entity &{name};")))?,
                        )?;
                    }
                }
                None
            }
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => None,
            Event::DocType(_) => return Err(malformed("a document type is not allowed".to_owned())),
            Event::Eof => return Err(malformed("the document ends early".to_owned())),
        };
        if let Some(done) = closed {
            match open.last_mut() {
                Some(parent) => parent.children.push(done),
                None => return Ok(done),
            }
        }
    }
}

fn element(start: &BytesStart<'_>) -> Element {
    Element {
        name: start.local_name().as_ref().to_owned(),
        ..Element::default()
    }
}

fn append(open: &mut [Element], text: &str) -> Result<(), AwsError> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(malformed("text outside of the root element".to_owned())),
    }
    Ok(())
}

/// White space between child elements is layout; in a leaf it is content.
fn trimmed(mut element: Element) -> Element {
    if !element.children.is_empty() && element.text.trim().is_empty() {
        element.text.clear();
    }
    element
}

fn malformed(message: String) -> AwsError {
    AwsError::new(400, "MalformedInput", message)
}

/// Writes a document from the outside in.
#[derive(Debug)]
pub struct Writer {
    text: String,
}

impl Writer {
    /// A document with nothing but its declaration.
    pub fn new() -> Writer {
        Writer {
            text: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"),
        }
    }

    /// Opens an element.
    pub fn open(&mut self, name: &str) -> &mut Writer {
        self.text.push_str(&format!("<{name}>"));
        self
    }

    /// Opens the root element in a namespace.
    pub fn open_in(&mut self, name: &str, namespace: &str) -> &mut Writer {
        self.text.push_str(&format!("<{name} xmlns=\"{namespace}\">"));
        self
    }

    /// Closes an element.
    pub fn close(&mut self, name: &str) -> &mut Writer {
        self.text.push_str(&format!("</{name}>"));
        self
    }

    /// An element with text, which is escaped.
    pub fn leaf(&mut self, name: &str, text: &str) -> &mut Writer {
        self.text.push_str(&format!("<{name}>{}</{name}>", escape(text)));
        self
    }

    /// The same, if there is a text.
    pub fn optional(&mut self, name: &str, text: Option<&str>) -> &mut Writer {
        match text {
            Some(text) => self.leaf(name, text),
            None => self,
        }
    }

    /// The document.
    pub fn finish(self) -> String {
        self.text
    }
}

impl Default for Writer {
    fn default() -> Writer {
        Writer::new()
    }
}

/// The error document that Route 53 and SNS share but for the namespace.
pub fn error_response(namespace: &str, error: &AwsError, request_id: &str) -> String {
    let kind = if error.status < 500 { "Sender" } else { "Receiver" };
    let mut xml = Writer::new();
    xml.open_in("ErrorResponse", namespace).open("Error");
    xml.leaf("Type", kind)
        .leaf("Code", &error.code)
        .leaf("Message", &error.message);
    xml.close("Error").leaf("RequestId", request_id).close("ErrorResponse");
    xml.finish()
}
