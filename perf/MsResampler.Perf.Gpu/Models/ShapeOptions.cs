using System.CommandLine;

namespace MsResampler.Perf.Models;

/// <summary>The options of a command that select the models of the benchmarks.</summary>
internal sealed class ShapeOptions
{
    private const string Separate = "separate", Shared = "shared";

    private readonly Option<string[]> _names = NamesOption();

    private readonly Option<bool> _isTiny = new("--tiny")
    {
        Description = "Use a tiny model and little work, to try the command on an emulated device.",
    };

    private readonly Option<string[]> _keyValues = new Option<string[]>("--kv")
    {
        Description = $"Use only models with these keys and values: {Separate}, {Shared} (default: both).",
        HelpName = "KIND",
        AllowMultipleArgumentsPerToken = true,
    }.AcceptOnlyFromAmong(Separate, Shared);

    private ShapeOptions()
    {
    }

    /// <summary>The option that selects shapes; without it, commands use all shapes.</summary>
    public static Option<string[]> NamesOption()
    {
        string[] names = [.. PeerShape.All.Select(shape => shape.Name)];
        return new Option<string[]>("--shape")
        {
            Description = $"Use only these shapes: {string.Join(", ", names)}.",
            HelpName = "NAME",
            AllowMultipleArgumentsPerToken = true,
        }.AcceptOnlyFromAmong(names);
    }

    /// <summary>Adds the options to a command.</summary>
    public static ShapeOptions AddTo(Command command)
    {
        ShapeOptions options = new();
        command.Options.Add(options._names);
        command.Options.Add(options._isTiny);
        command.Options.Add(options._keyValues);
        return options;
    }

    /// <summary>Whether the command line asks for little work.</summary>
    public bool IsTiny(ParseResult parsed) => parsed.GetValue(_isTiny);

    /// <summary>The selected shapes, each with separate and with shared keys and values, or one of them.</summary>
    public IEnumerable<PeerShape> Select(ParseResult parsed)
    {
        string[] names = parsed.GetValue(_names) ?? [];
        string[] kinds = parsed.GetValue(_keyValues) ?? [];
        return from shape in IsTiny(parsed) ? [PeerShape.Tiny] : PeerShape.All
               where IsTiny(parsed) || names is [] || names.Contains(shape.Name)
               from isShared in (bool[])[false, true]
               where kinds is [] || kinds.Contains(isShared ? Shared : Separate)
               select shape with { ShareKeyValues = isShared };
    }
}
