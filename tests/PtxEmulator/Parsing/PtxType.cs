namespace PtxEmulator.Parsing;

internal enum PtxTypeKind
{
    Bits,
    Unsigned,
    Signed,
    Float,
    BFloat,
    TensorFloat,
    Predicate,
}

/// <summary>A type of an instruction or a register.</summary>
/// <param name="Kind">The kind of value.</param>
/// <param name="Bits">Bits per element.</param>
/// <param name="Count">The number of elements: 2 for packed types.</param>
internal readonly record struct PtxType(PtxTypeKind Kind, int Bits, int Count = 1)
{
    public static readonly PtxType B16 = new(PtxTypeKind.Bits, 16);
    public static readonly PtxType B32 = new(PtxTypeKind.Bits, 32);
    public static readonly PtxType B64 = new(PtxTypeKind.Bits, 64);
    public static readonly PtxType U32 = new(PtxTypeKind.Unsigned, 32);
    public static readonly PtxType F32 = new(PtxTypeKind.Float, 32);
    public static readonly PtxType Predicate = new(PtxTypeKind.Predicate, 1);

    private static readonly Dictionary<string, PtxType> s_types = new()
    {
        ["b8"] = new(PtxTypeKind.Bits, 8),
        ["b16"] = B16,
        ["b32"] = B32,
        ["b64"] = B64,
        ["u8"] = new(PtxTypeKind.Unsigned, 8),
        ["u16"] = new(PtxTypeKind.Unsigned, 16),
        ["u32"] = U32,
        ["u64"] = new(PtxTypeKind.Unsigned, 64),
        ["s8"] = new(PtxTypeKind.Signed, 8),
        ["s16"] = new(PtxTypeKind.Signed, 16),
        ["s32"] = new(PtxTypeKind.Signed, 32),
        ["s64"] = new(PtxTypeKind.Signed, 64),
        ["f16"] = new(PtxTypeKind.Float, 16),
        ["f16x2"] = new(PtxTypeKind.Float, 16, 2),
        ["f32"] = F32,
        ["f64"] = new(PtxTypeKind.Float, 64),
        ["bf16"] = new(PtxTypeKind.BFloat, 16),
        ["bf16x2"] = new(PtxTypeKind.BFloat, 16, 2),
        ["tf32"] = new(PtxTypeKind.TensorFloat, 32),
        ["u16x2"] = new(PtxTypeKind.Unsigned, 16, 2),
        ["s16x2"] = new(PtxTypeKind.Signed, 16, 2),
        ["pred"] = Predicate,
    };

    /// <summary>The bits of all elements.</summary>
    public int TotalBits => Bits * Count;

    public int Bytes => TotalBits / 8;

    /// <summary>Bytes per thread of a register of this type.</summary>
    public int LaneBytes => TotalBits == 64 ? 8 : 4;

    public bool IsPredicate => Kind == PtxTypeKind.Predicate;

    public bool IsSigned => Kind == PtxTypeKind.Signed;

    public bool IsInteger => Kind is PtxTypeKind.Bits or PtxTypeKind.Unsigned or PtxTypeKind.Signed;

    public bool IsFloat => Kind is PtxTypeKind.Float or PtxTypeKind.BFloat or PtxTypeKind.TensorFloat;

    /// <summary>Parses a type without its leading dot.</summary>
    public static bool TryParse(string text, out PtxType type) => s_types.TryGetValue(text, out type);
}
