using System.Text;

namespace MsResampler.Claim.Report;

/// <summary>Markdown whose paragraphs and items are cut into lines.</summary>
internal sealed class MarkdownText
{
    private const int MaxColumns = 120;

    private readonly StringBuilder _text = new();

    /// <summary>A line as it is, such as a row of a table.</summary>
    public void Line(string text = "") => _text.Append(text).Append('\n');

    /// <summary>A heading with an empty line after it.</summary>
    public void Heading(int level, string text)
    {
        Line($"{new string('#', level)} {text}");
        Line();
    }

    /// <summary>A paragraph with an empty line after it.</summary>
    public void Paragraph(string text)
    {
        Wrap(text, "", "");
        Line();
    }

    /// <summary>An item of a list.</summary>
    public void Item(string text) => Wrap(text, "- ", "  ");

    /// <inheritdoc/>
    public override string ToString() => _text.ToString().TrimEnd() + "\n";

    private void Wrap(string text, string first, string next)
    {
        StringBuilder line = new(first);
        int start = first.Length;
        foreach (string word in text.Split(' '))
        {
            if (line.Length > start && line.Length + 1 + word.Length > MaxColumns)
            {
                Line(line.ToString());
                line.Clear().Append(next);
                start = next.Length;
            }

            if (line.Length > start)
                line.Append(' ');
            line.Append(word);
        }

        Line(line.ToString());
    }
}
