using System.Text;

namespace MsResampler.Cli.Output;

/// <summary>A writer that translates the exceptions of another writer.</summary>
/// <param name="inner">The other writer.</param>
/// <param name="translate">Returns the exception to throw, or null to ignore the failure.</param>
internal sealed class CheckedWriter(TextWriter inner, Func<Exception, Exception?> translate) : TextWriter
{
    public override Encoding Encoding => inner.Encoding;

    public override void Write(char value) => Try(() => inner.Write(value));

    public override void Write(char[] buffer, int index, int count) => Try(() => inner.Write(buffer, index, count));

    public override void Write(string? value) => Try(() => inner.Write(value));

    public override void WriteLine() => Try(inner.WriteLine);

    public override void WriteLine(string? value) => Try(() => inner.WriteLine(value));

    public override void Flush() => Try(inner.Flush);

    private void Try(Action write)
    {
        try
        {
            write();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException
            or ObjectDisposedException)
        {
            if (translate(exception) is { } translated)
                throw translated;
        }
    }
}
