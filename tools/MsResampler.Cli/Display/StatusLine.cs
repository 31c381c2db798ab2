namespace MsResampler.Cli.Display;

/// <summary>A line of a terminal that shows the progress of a command. Each text replaces the previous one. The cursor
/// stays visible, so that nothing must be restored when the process ends.</summary>
/// <param name="writer">The terminal.</param>
/// <param name="width">The number of columns.</param>
internal sealed class StatusLine(TextWriter writer, int width)
{
    private const string StartAgain = "\r\u001b[2K";
    private const int DefaultWidth = 80;

    private readonly object _lock = new();
    private bool _isShown;

    /// <summary>The text that removes the status line. Other writers to standard error must write it first.</summary>
    public static string Removal => IsTerminal ? StartAgain : "";

    private static bool IsTerminal => !Console.IsErrorRedirected
        && Environment.GetEnvironmentVariable("TERM") is not (null or "" or "dumb");

    /// <summary>The longest text that is shown in full.</summary>
    public int MaxLength => width - 1;

    /// <summary>A status line on standard error, or null if standard error is not a terminal.</summary>
    public static StatusLine? ForProcess()
    {
        if (!IsTerminal)
            return null;
        int width = DefaultWidth;
        try
        {
            width = Console.WindowWidth;
        }
        catch (IOException)
        {
            // The terminal does not report its width.
        }

        return new StatusLine(StandardStreams.Error, width > 1 ? width : DefaultWidth);
    }

    /// <summary>Shows a text and replaces the previous one.</summary>
    public void Show(string text)
    {
        lock (_lock)
        {
            writer.Write(StartAgain + (text.Length < width ? text : text[..(width - 1)]));
            writer.Flush();
            _isShown = true;
        }
    }

    /// <summary>Removes the text.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            if (!_isShown)
                return;
            writer.Write(StartAgain);
            writer.Flush();
            _isShown = false;
        }
    }
}
