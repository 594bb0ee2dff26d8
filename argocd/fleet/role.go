package fleet

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	roleName      = regexp.MustCompile(`^[a-zA-Z0-9]([-_a-zA-Z0-9]*[a-zA-Z0-9])?$`)
	policyObject  = regexp.MustCompile(`^(/[-*\w.]+)?/[-*\w.]+$`)
	roleResources = []string{"applications", "applicationsets", "clusters", "exec", "logs", "repositories"}
	roleActions   = []string{"*", "create", "delete", "get", "override", "rollback", "sync", "update"}
)

// checkRoles reports what Argo CD's API would refuse in the roles. It asks
// nobody when a project comes from Git: one policy that cannot be read leaves
// all roles of the project without any.
func (p *projectFile) checkRoles(d *document) {
	names := map[string]bool{}
	for i, role := range p.Spec.Roles {
		field := fmt.Sprintf("spec.roles[%d]", i)
		switch {
		case !roleName.MatchString(role.Name):
			d.find(field+".name", "expected letters and digits, with - and _ between them")
		case names[role.Name]:
			d.find(field+".name", "is that of another role, too")
		}
		names[role.Name] = true
		for j, policy := range role.Policies {
			at := fmt.Sprintf("%s.policies[%d]", field, j)
			if problem := policyProblem(p.Metadata.Name, role.Name, policy); problem != "" {
				d.find(at, "%s; Argo CD would ignore all roles of the project", problem)
			} else if slices.Contains(role.Policies[:j], policy) {
				d.find(at, "is there twice")
			}
		}
		for j, group := range role.Groups {
			at := fmt.Sprintf("%s.groups[%d]", field, j)
			if problem := groupProblem(group); problem != "" {
				d.find(at, "%s", problem)
			} else if slices.Contains(role.Groups[:j], group) {
				d.find(at, "is there twice")
			}
		}
	}
}

// policyProblem is what is wrong with a line of casbin, or nothing.
func policyProblem(project, role, policy string) string {
	parts := strings.Split(policy, ",")
	for i := range parts {
		parts[i] = strings.Trim(parts[i], " ")
	}
	if len(parts) != 6 || parts[0] != "p" {
		return "expected p, subject, resource, action, object, allow or deny"
	}
	subject := fmt.Sprintf("proj:%s:%s", project, role)
	action, detail, detailed := strings.Cut(parts[3], "/")
	object, inProject := strings.CutPrefix(parts[4], project)
	switch {
	case parts[1] != subject:
		return "expected the subject " + subject
	case !slices.Contains(roleResources, parts[2]):
		return "expected one of the resources " + strings.Join(roleResources, ", ")
	case detailed && (detail == "" || !slices.Contains([]string{"action", "delete", "update"}, action)),
		!detailed && !slices.Contains(roleActions, action):
		return "expected one of the actions " + strings.Join(roleActions, ", ") + ", action/…, delete/… or update/…"
	case !inProject || !policyObject.MatchString(object):
		return "expected an object of the project, such as " + project + "/*"
	case parts[5] != "allow" && parts[5] != "deny":
		return "expected allow or deny at the end"
	}
	return ""
}

// groupProblem is what is wrong with the name of a group, or nothing.
func groupProblem(group string) string {
	name := group
	if len(name) > 1 && strings.HasPrefix(name, `"`) && strings.HasSuffix(name, `"`) {
		name = name[1 : len(name)-1]
	} else if strings.Contains(name, ",") {
		return "has a comma; put the name in double quotes"
	}
	switch {
	case strings.TrimSpace(name) == "":
		return "is empty"
	case strings.TrimSpace(group) != group:
		return "begins or ends with a space"
	case strings.ContainsAny(name, "\"\n\r\t"):
		return "has a quote, a tab or a line break"
	}
	return ""
}
