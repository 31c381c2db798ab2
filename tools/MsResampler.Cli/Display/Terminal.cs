using System.Diagnostics;
using System.Globalization;
using Spectre.Console;

namespace MsResampler.Cli.Display;

/// <summary>The output of a command. A terminal shows tables with borders and, if it supports them, colours. A pipe
/// receives plain lines of any length, without escape sequences. Progress is shown on standard error if that is a
/// terminal. Control characters, for example in names from files, are replaced by spaces.</summary>
internal sealed class Terminal
{
    private const int MinTrackedCount = 8;
    private const int TrackedLineCount = 10;
    private const int MaxWarningCount = 5;

    /// <summary>The text of a table cell for a check that passed. It is green if there are colours.</summary>
    public const string Passed = "ok";

    /// <summary>The text of a table cell for a check that failed. It is red if there are colours.</summary>
    public const string Failed = "FAILED";

    private static readonly TimeSpan s_statusInterval = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan s_lineInterval = TimeSpan.FromMinutes(1);

    private readonly IAnsiConsole? _console;
    private readonly StatusLine? _status;
    private readonly List<string> _warnings = [];
    private readonly int _pipeWidth = int.TryParse(Environment.GetEnvironmentVariable("COLUMNS"), NumberStyles.None,
        CultureInfo.InvariantCulture, out int columns) && columns > 0 ? columns : int.MaxValue;

    /// <param name="output">Standard output.</param>
    /// <param name="error">Standard error.</param>
    /// <param name="isInteractive">Whether <paramref name="output"/> is a terminal.</param>
    /// <param name="status">The progress of a command; null if standard error is not a terminal.</param>
    public Terminal(TextWriter output, TextWriter error, bool isInteractive, StatusLine? status = null)
        : this(output, error, isInteractive
            ? AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) }) : null, status)
    {
    }

    /// <param name="output">Standard output.</param>
    /// <param name="error">Standard error.</param>
    /// <param name="console">The console for <paramref name="output"/>; null for plain lines.</param>
    /// <param name="status">The progress of a command; null if standard error is not a terminal.</param>
    public Terminal(TextWriter output, TextWriter error, IAnsiConsole? console, StatusLine? status = null)
    {
        Output = output;
        Error = error;
        _console = console;
        _status = status;
    }

    /// <summary>Standard output.</summary>
    public TextWriter Output { get; }

    /// <summary>Standard error.</summary>
    public TextWriter Error { get; }

    /// <summary>The number of columns of the terminal. In a pipe, the value of COLUMNS if it is set, and else
    /// unlimited.</summary>
    public int Width => _console?.Profile.Width ?? _pipeWidth;

    /// <summary>The output of the process. It is interactive unless it is redirected.</summary>
    public static Terminal ForProcess()
    {
        bool isInteractive = !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("TERM") != "dumb";
        // Spectre.Console detects a terminal only if it gets Console.Out.
        return new Terminal(isInteractive ? Console.Out : StandardStreams.Output, StandardStreams.Error, isInteractive,
            StatusLine.ForProcess());
    }

    /// <summary>Shows the progress of the command until the next line is written.</summary>
    public void Say(string text) => _status?.Show(Printable(text));

    /// <summary>Writes one line.</summary>
    public void Line(string text = "")
    {
        _status?.Clear();
        Output.WriteLine(Printable(text));
    }

    /// <summary>Writes the result of checks, green or red if there are colours.</summary>
    public void Verdict(bool isGood, string text)
    {
        if (_console is null)
        {
            Line(text);
            return;
        }

        _status?.Clear();
        _console.Write(new Text(Printable(text) + Environment.NewLine, StyleOf(isGood)));
    }

    /// <summary>Writes an empty line and a heading.</summary>
    public void Heading(string text)
    {
        Line();
        if (_console is null)
            Line(text);
        else
            _console.MarkupLineInterpolated($"[bold]{Printable(text)}[/]");
    }

    /// <summary>Writes a table. A column is aligned right if its name starts with '>'. If the table is too wide, each
    /// row becomes two lines: first the words, then the numbers.</summary>
    public void Table(IReadOnlyList<string> columns, IReadOnlyList<IReadOnlyList<string>> rows)
    {
        _status?.Clear();
        int[] widths = [.. columns.Select((column, index) =>
            rows.Select(row => row[index].Length).Append(Split(column).Title.Length).Max())];
        int borders = _console is null ? 2 * (columns.Count - 1) : (3 * columns.Count) + 1;
        if (widths.Sum() + borders > Width && columns.Any(column => Split(column).IsNumber))
            StackedTable(columns, rows, widths);
        else if (_console is null)
            PlainTable(columns, rows, widths);
        else
            BorderedTable(_console, columns, rows);
    }

    /// <summary>Runs <paramref name="work"/> and shows its progress. The work reports how many of
    /// <paramref name="count"/> items are done; <paramref name="first"/> of them were done before. A pipe receives
    /// lines only if there are many items: ten, and one a minute.</summary>
    public void Track(string label, int count, Action<Progress> work, int first = 0)
    {
        long shownAt = Stopwatch.GetTimestamp();
        if (_status is not null)
        {
            Say($"{label}: {first} of {count}");
            work(new Progress(label, first, count, _status.MaxLength, (done, text) =>
            {
                if (done < count && Stopwatch.GetElapsedTime(shownAt) < s_statusInterval)
                    return;
                Say(text);
                shownAt = Stopwatch.GetTimestamp();
            }));
        }
        else if (count < MinTrackedCount || _console is not null)
        {
            work(new Progress(label, first, count, maxBarLength: 0, show: null));
        }
        else
        {
            int lastLine = (int)((long)first * TrackedLineCount / count);
            work(new Progress(label, first, count, maxBarLength: 0, (done, text) =>
            {
                int line = (int)((long)done * TrackedLineCount / count);
                if (line == lastLine && Stopwatch.GetElapsedTime(shownAt) < s_lineInterval)
                    return;
                Line(text);
                shownAt = Stopwatch.GetTimestamp();
                lastLine = line;
            }));
        }
    }

    /// <summary>Adds a warning. Warnings are written at the end of a command that succeeds; if the command fails, the
    /// error is the only line.</summary>
    public void Warn(string text) => _warnings.Add(text);

    /// <summary>Writes the first few warnings, or all of them, to standard error.</summary>
    public void WriteWarnings(bool isVerbose)
    {
        _status?.Clear();
        string[] warnings = [.. _warnings.Distinct()];
        int shownCount = isVerbose ? warnings.Length : Math.Min(warnings.Length, MaxWarningCount);
        foreach (string warning in warnings.Take(shownCount))
            Error.WriteLine($"warning: {Printable(warning)}");
        if (shownCount < warnings.Length)
            Error.WriteLine($"warning: {warnings.Length - shownCount} more (--verbose shows all)");
    }

    /// <summary>Writes an error to standard error, in one line.</summary>
    public void WriteError(string text)
    {
        _status?.Clear();
        Error.WriteLine($"error: {Printable(text)}");
    }

    private static Style StyleOf(bool isGood) => new(isGood ? Color.Green : Color.Red);

    private static string Printable(string text) => string.Create(text.Length, text, static (span, source) =>
    {
        for (int index = 0; index < span.Length; index++)
            span[index] = char.IsControl(source[index]) ? ' ' : source[index];
    });

    private static (string Title, bool IsNumber) Split(string column)
        => column.StartsWith('>') ? (column[1..], true) : (column, false);

    private void PlainTable(IReadOnlyList<string> columns, IReadOnlyList<IReadOnlyList<string>> rows, int[] widths)
    {
        int[] all = [.. Enumerable.Range(0, columns.Count)];
        foreach (IReadOnlyList<string> row in rows.Prepend(Titles(columns)))
            Line(Cells(columns, row, widths, all));
    }

    private void StackedTable(IReadOnlyList<string> columns, IReadOnlyList<IReadOnlyList<string>> rows, int[] widths)
    {
        const string Indent = "  ";
        int[] numbers = [.. Enumerable.Range(0, columns.Count).Where(index => Split(columns[index]).IsNumber)];
        int[] words = [.. Enumerable.Range(0, columns.Count).Except(numbers)];
        foreach (IReadOnlyList<string> row in rows.Prepend(Titles(columns)))
        {
            Line(string.Join("  ", words.Select(index => row[index])).TrimEnd());
            Line(Indent + Cells(columns, row, widths, numbers));
        }
    }

    private static string[] Titles(IReadOnlyList<string> columns) => [.. columns.Select(column => Split(column).Title)];

    private static string Cells(IReadOnlyList<string> columns, IReadOnlyList<string> row, int[] widths, int[] indices)
        => string.Join("  ", indices.Select(index => Split(columns[index]).IsNumber
            ? row[index].PadLeft(widths[index]) : row[index].PadRight(widths[index]))).TrimEnd();

    private static void BorderedTable(IAnsiConsole console, IReadOnlyList<string> columns,
        IReadOnlyList<IReadOnlyList<string>> rows)
    {
        Table table = new() { Border = TableBorder.Rounded };
        foreach (string column in columns)
        {
            (string title, bool isNumber) = Split(column);
            table.AddColumn(new TableColumn(Markup.Escape(title))
            {
                Alignment = isNumber ? Justify.Right : Justify.Left,
            });
        }

        foreach (IReadOnlyList<string> row in rows)
            table.AddRow([.. row.Select(cell => new Text(Printable(cell),
                cell is Passed or Failed ? StyleOf(cell == Passed) : Style.Plain))]);
        console.Write(table);
    }
}
