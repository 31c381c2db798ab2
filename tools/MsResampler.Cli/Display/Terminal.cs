using MsResampler.Cli.Native;
using Spectre.Console;

namespace MsResampler.Cli.Display;

/// <summary>Where a command writes. On a terminal: tables with borders and a progress bar. In a pipe: plain
/// lines, as wide as they need to be, without escape sequences. Control characters in names from files never
/// get through.</summary>
internal sealed class Terminal
{
    private const int MinTrackedCount = 8;
    private const int TrackedLineCount = 10;

    private readonly IAnsiConsole? _console;
    private readonly List<string> _warnings = [];

    public Terminal(TextWriter output, TextWriter error, bool isInteractive)
    {
        Output = output;
        Error = error;
        if (isInteractive)
            _console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) });
    }

    /// <summary>Standard output.</summary>
    public TextWriter Output { get; }

    /// <summary>Standard error.</summary>
    public TextWriter Error { get; }

    /// <summary>Columns there are room for.</summary>
    public int Width => _console?.Profile.Width ?? int.MaxValue;

    /// <summary>The process's own output, interactive unless it is redirected.</summary>
    public static Terminal ForProcess()
    {
        bool isInteractive = !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("TERM") != "dumb";
        // Spectre.Console knows a terminal by the console's own writer.
        return new Terminal(isInteractive ? Console.Out : StandardStreams.Output, StandardStreams.Error, isInteractive);
    }

    /// <summary>Writes one line.</summary>
    public void Line(string text = "") => Output.WriteLine(Printable(text));

    /// <summary>Writes a heading with an empty line before it.</summary>
    public void Heading(string text)
    {
        Line();
        if (_console is null)
            Line(text);
        else
            _console.MarkupLineInterpolated($"[bold]{Printable(text)}[/]");
    }

    /// <summary>Writes a table. A column whose name starts with '>' is aligned right.</summary>
    public void Table(IReadOnlyList<string> columns, IReadOnlyList<IReadOnlyList<string>> rows)
    {
        if (_console is null)
            PlainTable(columns, rows);
        else
            BorderedTable(_console, columns, rows);
    }

    /// <summary>Runs <paramref name="work"/>, which reports how many of <paramref name="count"/> items are
    /// done. Progress shows only where there are many.</summary>
    public void Track(string label, int count, Action<Action<int>> work)
    {
        if (count < MinTrackedCount)
        {
            work(static _ => { });
        }
        else if (_console is null)
        {
            int lastLine = 0;
            work(done =>
            {
                int line = (int)((long)done * TrackedLineCount / count);
                if (line > lastLine)
                    Line($"{label}: {done} of {count}");
                lastLine = line;
            });
        }
        else
        {
            _console.Progress()
                .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(),
                new RemainingTimeColumn())
                .Start(context =>
                {
                    ProgressTask task = context.AddTask(Markup.Escape(label), maxValue: count);
                    work(done => task.Value = done);
                });
        }
    }

    /// <summary>Keeps a warning for the end of a command that succeeds: an error stays the only
    /// line.</summary>
    public void Warn(string text) => _warnings.Add(text);

    /// <summary>Writes the warnings to standard error.</summary>
    public void WriteWarnings()
    {
        foreach (string warning in _warnings.Distinct())
            Error.WriteLine($"warning: {Printable(warning)}");
    }

    /// <summary>Writes the one line of an error to standard error.</summary>
    public void WriteError(string text) => Error.WriteLine($"error: {Printable(text)}");

    private static string Printable(string text) => string.Create(text.Length, text, static (span, source) =>
    {
        for (int index = 0; index < span.Length; index++)
            span[index] = char.IsControl(source[index]) ? ' ' : source[index];
    });

    private static (string Title, bool IsNumber) Split(string column)
        => column.StartsWith('>') ? (column[1..], true) : (column, false);

    private void PlainTable(IReadOnlyList<string> columns, IReadOnlyList<IReadOnlyList<string>> rows)
    {
        int[] widths = [.. columns.Select((column, index) =>
            rows.Select(row => row[index].Length).Append(Split(column).Title.Length).Max())];
        WriteRow([.. columns.Select(column => Split(column).Title)]);
        foreach (IReadOnlyList<string> row in rows)
            WriteRow(row);

        void WriteRow(IReadOnlyList<string> cells) => Line(string.Join("  ", cells.Select((cell, index) =>
            Split(columns[index]).IsNumber
                ? cell.PadLeft(widths[index]) : cell.PadRight(widths[index]))).TrimEnd());
    }

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
            table.AddRow([.. row.Select(cell => Markup.Escape(Printable(cell)))]);
        console.Write(table);
    }
}
