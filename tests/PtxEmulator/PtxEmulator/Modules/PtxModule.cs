namespace PtxEmulator;

/// <summary>A parsed and decoded PTX text. It is immutable: any number of devices and threads may launch its entries.</summary>
public sealed class PtxModule
{
    private PtxModule(IReadOnlyDictionary<string, PtxEntry> entries) => Entries = entries;

    /// <summary>The kernels by name.</summary>
    public IReadOnlyDictionary<string, PtxEntry> Entries { get; }

    /// <summary>Parses a text and decodes all of its instructions.</summary>
    /// <exception cref="PtxParseException">The text is not PTX, or has an instruction that is not known.</exception>
    public static PtxModule Parse(string ptx) => new(ParseEntries(ptx));

    private static IReadOnlyDictionary<string, PtxEntry> ParseEntries(string ptx)
        => throw new NotImplementedException(ptx);
}
