namespace MsResampler.Gguf;

/// <summary>The ways in which a GGUF file is invalid or unreadable.</summary>
public enum GgufError
{
    /// <summary>The file does not begin with "GGUF".</summary>
    NotGguf,

    /// <summary>The numbers of the file are big-endian.</summary>
    BigEndian,

    /// <summary>The version is neither 2 nor 3.</summary>
    UnsupportedVersion,

    /// <summary>The header runs past the end of the file.</summary>
    HeaderPastEnd,

    /// <summary>The header is longer than 100,000,000 bytes.</summary>
    HeaderTooLong,

    /// <summary>A number of tensors, of fields or of elements needs more bytes than the file has.</summary>
    CountTooLarge,

    /// <summary>A key or the name of a tensor is longer than the format allows.</summary>
    NameTooLong,

    /// <summary>A key, the name of a tensor or a value is not UTF-8.</summary>
    NotUtf8,

    /// <summary>Two fields have the same key.</summary>
    DuplicateKey,

    /// <summary>The format does not define the type of a value.</summary>
    UnknownValueType,

    /// <summary>Arrays are nested more than eight levels deep.</summary>
    NestedTooDeep,

    /// <summary>A field has a value of another type than it should.</summary>
    WrongValueType,

    /// <summary>The alignment is not a power of two from 8 on.</summary>
    BadAlignment,

    /// <summary>Two tensors have the same name.</summary>
    DuplicateTensor,

    /// <summary>A tensor has more than four dimensions.</summary>
    TooManyDimensions,

    /// <summary>The format does not define the type of a tensor.</summary>
    UnknownTensorType,

    /// <summary>The size of a tensor exceeds 63 bits.</summary>
    SizeOverflow,

    /// <summary>The rows of a tensor do not consist of whole blocks of its type.</summary>
    PartialBlock,

    /// <summary>The offset of a tensor is not a multiple of the alignment.</summary>
    Misaligned,

    /// <summary>A tensor runs past the end of the file.</summary>
    DataTooShort,

    /// <summary>Two tensors share bytes.</summary>
    Overlap,

    /// <summary>The format defines the type of a tensor, but the reader cannot convert it to float.</summary>
    UnsupportedType,
}
