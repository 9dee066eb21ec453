// The source as the structure test sees it: files of git (also new ones), imports, functions and names by TypeScript's own parser.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

export type SourceFile = { path: string; text: string; tree: ts.SourceFile; nodes: ts.Node[] };

/** Committed files and new ones that git does not ignore, as paths from the root. */
export function repositoryFiles(): string[] {
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root });
  const paths = new Set(list.toString('utf8').split('\0'));
  return [...paths].filter((path) => path !== '' && existsSync(join(root, path))).sort();
}

export function sourceFiles(folder: string): SourceFile[] {
  return repositoryFiles()
    .filter((path) => path.startsWith(`${folder}/`) && /\.(tsx?|m?js)$/.test(path))
    .map((path) => {
      const text = readFileSync(join(root, path), 'utf8');
      const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
      return { path, text, tree, nodes: nodesBelow(tree) };
    });
}

/** What a file imports: packages by name, files of ours as `src/...`, whether static, dynamic or for types alone. */
export function importsOf(file: SourceFile): string[] {
  return file.nodes
    .map(importedName)
    .filter((name) => name !== undefined)
    .map((name) => {
      const path = posix.join(posix.dirname(file.path), name);
      return name.startsWith('.') ? path.replace(/\.js$/, '') : name;
    });
}

function importedName(node: ts.Node): string | undefined {
  if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier)
    return (node.moduleSpecifier as ts.StringLiteral).text;
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument) && ts.isStringLiteral(node.argument.literal))
    return node.argument.literal.text;
  if (!ts.isCallExpression(node) || node.expression.kind !== ts.SyntaxKind.ImportKeyword) return undefined;
  const [argument] = node.arguments;
  return argument && ts.isStringLiteral(argument) ? argument.text : undefined;
}

function nodesBelow(tree: ts.SourceFile): ts.Node[] {
  const nodes: ts.Node[] = [];
  const visit = (node: ts.Node): void => {
    nodes.push(node);
    node.forEachChild(visit);
  };
  visit(tree);
  return nodes;
}

/** Functions with a body, with the number of lines from `function` to the closing brace. */
export function functionsOf(file: SourceFile): { place: string; lines: number }[] {
  return file.nodes
    .filter(
      (node): node is ts.FunctionLikeDeclaration => ts.isFunctionLike(node) && 'body' in node && Boolean(node.body),
    )
    .map((node) => {
      const first = lineOf(file, node.getStart(file.tree));
      return { place: `${file.path}:${first}`, lines: lineOf(file, node.end) - first + 1 };
    });
}

export function lineOf(file: SourceFile, position: number): number {
  return file.tree.getLineAndCharacterOfPosition(position).line + 1;
}

/** Names that a file gives to variables and parameters; a field taken apart under its own name is somebody else's. */
export function declaredNames(file: SourceFile): { name: string; place: string }[] {
  return file.nodes
    .filter((node) => ts.isVariableDeclaration(node) || ts.isParameter(node) || isRenamed(node))
    .filter((node): node is (ts.VariableDeclaration | ts.ParameterDeclaration) & { name: ts.Identifier } =>
      ts.isIdentifier((node as ts.VariableDeclaration).name),
    )
    .map((node) => ({ name: node.name.text, place: `${file.path}:${lineOf(file, node.getStart(file.tree))}` }));
}

function isRenamed(node: ts.Node): boolean {
  return ts.isBindingElement(node) && node.propertyName !== undefined;
}
