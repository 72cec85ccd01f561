import Imaging

/// What is wrong with a file of weights, or with what it is asked to be used for, in one line.
package struct InterchangeError: Error, CustomStringConvertible, Sendable {
    /// What kind of trouble it is.
    package enum Kind: Int32, Sendable {
        /// What was asked for makes no sense: a format that cannot hold this network.
        case usage = 64
        /// A file was read, and what it holds cannot be used.
        case invalid = 65
    }

    /// The kind of trouble; its raw value is the exit status of a program that ends because of it.
    package let kind: Kind
    /// One line: the file, the tensor or dataset in it, what was expected, what was found.
    package let description: String

    /// An error of `kind`. What a terminal would obey in its text is replaced: names of tensors come out of files.
    package init(_ kind: Kind, _ description: String) { (self.kind, self.description) = (kind, description.printableLine) }
}
