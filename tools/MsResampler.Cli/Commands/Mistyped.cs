using System.CommandLine;
using System.CommandLine.Invocation;

namespace MsResampler.Cli.Commands;

/// <summary>What a word was probably meant to be, and options that were taken for values.</summary>
internal static class Mistyped
{
    private const int MaxSuggestionCount = 3;
    private const int ShortOptionLength = 2;

    /// <summary>"; did you mean '--patch'?" where commands or options are like a word that was not understood; else
    /// nothing.</summary>
    /// <param name="word">The word.</param>
    /// <param name="parsed">The command line that it is from.</param>
    /// <param name="parser">How it was parsed.</param>
    public static string Suggest(string word, ParseResult parsed, ParserConfiguration parser)
    {
        Command command = parsed.CommandResult.Command;
        if (Path.Exists(word) && command.Options.Any(option => option.Name == "--model"))
            return $"; did you mean '--model {word}'?";
        // What the command's arguments take comes before the word, so that none takes the word itself.
        string[] alone = command is RootCommand ? [word]
            : [command.Name, .. command.Arguments.Select(argument => argument.Name), word];
        ParseResult again = parsed.RootCommandResult.Command.Parse(alone, parser);
        if (again.Action is not ParseErrorAction action)
            return "";
        action.ShowHelp = false;
        action.ShowTypoCorrections = true;
        using StringWriter output = new();
        again.Invoke(new InvocationConfiguration { Output = output, Error = TextWriter.Null });
        // A sentence about the word, then a line for each suggestion.
        string[] suggestions = [.. output.ToString()
            .Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Skip(1).Where(suggestion => suggestion.Length > ShortOptionLength)
            .Take(MaxSuggestionCount).Select(suggestion => $"'{suggestion}'")];
        return suggestions.Length == 0 ? "" : $"; did you mean {string.Join(" or ", suggestions)}?";
    }

    /// <summary>The first value that was meant as an option: the parser gives an option of several values, or one that
    /// lacks its value, whatever comes next.</summary>
    public static string? FindSwallowedOption(ParseResult parsed) => parsed.CommandResult.Children
        .SelectMany(symbol => symbol.Tokens)
        .Select(token => token.Value)
        .FirstOrDefault(value => value.StartsWith("--", StringComparison.Ordinal) && value.Length > ShortOptionLength
            && !File.Exists(value));
}
