using PtxEmulator.Decoding;

namespace PtxEmulator;

/// <summary>A parsed and decoded PTX text. It is immutable; any number of devices and threads may launch its
/// entries.</summary>
public sealed class PtxModule
{
    private PtxModule(IReadOnlyDictionary<string, PtxEntry> entries) => Entries = entries;

    /// <summary>The kernels by name.</summary>
    public IReadOnlyDictionary<string, PtxEntry> Entries { get; }

    /// <summary>Parses a text and decodes all its instructions.</summary>
    /// <exception cref="PtxParseException">The text is not valid PTX or contains an unsupported
    /// instruction.</exception>
    public static PtxModule Parse(string ptx)
    {
        ArgumentNullException.ThrowIfNull(ptx);
        var parser = ModuleParser.Parse(ptx);
        return new PtxModule(parser.Functions.Values.Where(function => function.IsEntry)
            .ToDictionary(function => function.Name, function => Decode(function, parser)));
    }

    private static PtxEntry Decode(Function function, ModuleParser parser)
    {
        var builder = new CodeBuilder(parser.Target);
        var parameters = new List<PtxParameter>();
        int offset = 0;
        foreach (Variable variable in function.Parameters)
        {
            offset = (offset + variable.Alignment - 1) / variable.Alignment * variable.Alignment;
            builder.PlaceParameter(variable, offset);
            parameters.Add(new PtxParameter(variable.Name, offset, variable.Bytes));
            offset += variable.Bytes;
        }
        new Inliner(parser.Functions, builder).AddEntry(function);
        return new PtxEntry(builder.Build(function.Name, FlowLayout.Arrange(builder.Instructions, builder.True)),
            parameters);
    }
}
