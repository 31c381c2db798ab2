using System.CommandLine;
using System.CommandLine.Invocation;

namespace MsResampler.Cli.Commands;

/// <summary>Finds the intended word for a mistyped one, and options that the parser took for values.</summary>
internal static class Mistyped
{
    private const int MaxSuggestionCount = 3;
    private const int ShortOptionLength = 2;

    /// <summary>Returns text such as "; did you mean '--patch'?" if commands or options are similar to an unknown word,
    /// or if it is one of many photos, and otherwise an empty string.</summary>
    /// <param name="word">The word.</param>
    /// <param name="parsed">The command line with the word.</param>
    /// <param name="parser">The settings of the parser.</param>
    public static string Suggest(string word, ParseResult parsed, ParserConfiguration parser)
    {
        Command command = parsed.CommandResult.Command;
        Option? photos = command.Options.FirstOrDefault(option => option.Name == "--images");
        if (Path.Exists(word) && photos is not null && parsed.GetResult(photos) is { Implicit: false })
            return "; --images takes one value: put a pattern in quotes, so that the shell does not replace it, or " +
                "use --image for single pictures";
        if (Path.Exists(word) && command.Options.Any(option => option.Name == "--model"))
            return $"; did you mean '--model {word}'?";
        // Placeholders for the command's arguments come first, so that no argument takes the word.
        string[] alone = command is RootCommand ? [word]
            : [command.Name, .. command.Arguments.Select(argument => argument.Name), word];
        ParseResult again = parsed.RootCommandResult.Command.Parse(alone, parser);
        if (again.Action is not ParseErrorAction action)
            return "";
        action.ShowHelp = false;
        action.ShowTypoCorrections = true;
        using StringWriter output = new();
        again.Invoke(new InvocationConfiguration { Output = output, Error = TextWriter.Null });
        // The first line is a sentence about the word; each further line is a suggestion.
        string[] suggestions = [.. output.ToString()
            .Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Skip(1).Where(suggestion => suggestion.Length > ShortOptionLength)
            .Take(MaxSuggestionCount).Select(suggestion => $"'{suggestion}'")];
        return suggestions.Length == 0 ? "" : $"; did you mean {string.Join(" or ", suggestions)}?";
    }

    /// <summary>Returns the first value that looks like an option. For an option with several values, or whose value is
    /// missing, the parser takes the next word as a value even if it starts with "--".</summary>
    public static string? FindSwallowedOption(ParseResult parsed) => parsed.CommandResult.Children
        .SelectMany(symbol => symbol.Tokens)
        .Select(token => token.Value)
        .FirstOrDefault(value => value.StartsWith("--", StringComparison.Ordinal) && value.Length > ShortOptionLength
            && !File.Exists(value));
}
