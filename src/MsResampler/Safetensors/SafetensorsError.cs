namespace MsResampler.Safetensors;

/// <summary>The ways in which a checkpoint is invalid.</summary>
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

    /// <summary>The JSON is nested more than 32 levels deep; a valid header has 3.</summary>
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

    /// <summary>The format does not define the element type.</summary>
    UnknownType,

    /// <summary>An extent or offset is negative.</summary>
    NegativeNumber,

    /// <summary>An extent or offset has a fraction or an exponent.</summary>
    FractionalNumber,

    /// <summary>A shape or the offsets are not an array of numbers.</summary>
    NotANumber,

    /// <summary>An extent or offset is 2^63 or more.</summary>
    NumberTooLarge,

    /// <summary>The number of offsets is not two.</summary>
    OffsetCount,

    /// <summary>The second offset is smaller than the first.</summary>
    EndBeforeStart,

    /// <summary>The product of the extents and the element size exceeds 63 bits.</summary>
    SizeOverflow,

    /// <summary>The elements of a packed type do not fill whole bytes.</summary>
    PartialByte,

    /// <summary>The number of bytes between the offsets differs from the size given by shape and type.</summary>
    SizeMismatch,

    /// <summary>No tensor starts at offset 0.</summary>
    FirstOffsetNotZero,

    /// <summary>There are unused bytes between two tensors.</summary>
    Hole,

    /// <summary>Two tensors share bytes.</summary>
    Overlap,

    /// <summary>The file ends within a tensor, or has become shorter since it was opened.</summary>
    DataTooShort,

    /// <summary>There are bytes after the last tensor.</summary>
    DataTooLong,

    /// <summary><c>__metadata__</c> is not an object whose values are all strings.</summary>
    MetadataNotStrings,

    /// <summary>A value of the index's <c>weight_map</c> is not a string.</summary>
    ShardNotString,

    /// <summary>The name of a shard in the index is not a plain file name: it contains a separator or a control
    /// character.</summary>
    ShardOutsideFolder,

    /// <summary>None of the shards named by the index exists.</summary>
    MissingShard,

    /// <summary>The index places one tensor in two shards.</summary>
    TensorInTwoShards,

    /// <summary>A folder holds several checkpoints, none of which has the standard name.</summary>
    AmbiguousFolder,

    /// <summary>The format defines the element type, but the reader cannot convert it to float.</summary>
    UnsupportedType,

    /// <summary>The file has another format, such as a Git LFS pointer, an HTML page, an archive or a
    /// pickle.</summary>
    AnotherFormat,

    /// <summary>The path names a pipe or a device, which has no random access.</summary>
    NotAFile,
}
