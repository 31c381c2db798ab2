namespace MsResampler.Safetensors;

/// <summary>What is wrong with a checkpoint.</summary>
public enum SafetensorsError
{
    /// <summary>The file has fewer than the 8 bytes of the header's length.</summary>
    FileTooShort,

    /// <summary>The header, or the index, is longer than 100,000,000 bytes.</summary>
    HeaderTooLong,

    /// <summary>The header's length runs past the end of the file.</summary>
    HeaderPastEnd,

    /// <summary>The header, or the index, is empty or white space.</summary>
    HeaderEmpty,

    /// <summary>The header, or the index, is not UTF-8.</summary>
    NotUtf8,

    /// <summary>The header, or the index, is not JSON.</summary>
    NotJson,

    /// <summary>The JSON nests deeper than any header needs.</summary>
    NestedTooDeep,

    /// <summary>The root of the header, or of the index, is not a JSON object.</summary>
    RootNotObject,

    /// <summary>The entry of a tensor, or the index's <c>weight_map</c>, is not a JSON object.</summary>
    EntryNotObject,

    /// <summary>Two tensors have the same name.</summary>
    DuplicateTensor,

    /// <summary>A JSON field other than a tensor occurs twice.</summary>
    DuplicateField,

    /// <summary>A required field is missing.</summary>
    MissingField,

    /// <summary>The element type is not one the format defines.</summary>
    UnknownType,

    /// <summary>An extent or offset is negative.</summary>
    NegativeNumber,

    /// <summary>An extent or offset has a fraction or an exponent.</summary>
    FractionalNumber,

    /// <summary>A shape or the offsets are not an array of numbers.</summary>
    NotANumber,

    /// <summary>An extent or offset is 2^63 or more.</summary>
    NumberTooLarge,

    /// <summary>The offsets are not exactly two.</summary>
    OffsetCount,

    /// <summary>The second offset is smaller than the first.</summary>
    EndBeforeStart,

    /// <summary>The product of the extents and the element size exceeds 63 bits.</summary>
    SizeOverflow,

    /// <summary>The elements of a packed type do not fill whole bytes.</summary>
    PartialByte,

    /// <summary>The offsets enclose another number of bytes than the shape and the type need.</summary>
    SizeMismatch,

    /// <summary>No tensor starts at offset 0.</summary>
    FirstOffsetNotZero,

    /// <summary>There are bytes between two tensors that belong to none.</summary>
    Hole,

    /// <summary>Two tensors share bytes.</summary>
    Overlap,

    /// <summary>The file ends before the last tensor does, or has become shorter since it was opened.</summary>
    DataTooShort,

    /// <summary>The file goes on after the last tensor.</summary>
    DataTooLong,

    /// <summary><c>__metadata__</c> is not an object whose values are all strings.</summary>
    MetadataNotStrings,

    /// <summary>A value of the index's <c>weight_map</c> is not a string.</summary>
    ShardNotString,

    /// <summary>The index names a shard by more than the plain name of a file in the index's own
    /// folder.</summary>
    ShardOutsideFolder,

    /// <summary>None of the shards that the index names exists.</summary>
    MissingShard,

    /// <summary>The index places one tensor in two shards.</summary>
    TensorInTwoShards,

    /// <summary>A folder holds several checkpoints, none of which has the standard name.</summary>
    AmbiguousFolder,

    /// <summary>The element type is known, but its values cannot be converted.</summary>
    UnsupportedType,

    /// <summary>The file is of another format or stands in for the file: a Git LFS pointer, an HTML page, an
    /// archive, a pickle.</summary>
    AnotherFormat,

    /// <summary>The path names a pipe or a device, which cannot be read at any place.</summary>
    NotAFile,
}
